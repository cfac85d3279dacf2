"""Alone equals packed: whoever trains beside a member, its bits are its own."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from service.domain.network import weights_sha256
from service.engine.training.members import Member
from service.engine.training.train import train

if TYPE_CHECKING:
    from tests.engine.training.conftest import Small

SHUFFLE = 5


def any_member(draws: random.Random, small: Small, depth: int) -> Member:
    """A member with any width, activation, penalty or dropout, step size, seeds and epochs."""
    first = draws.randint(1, 120)
    units: int | list[int] = [first, *(draws.randint(1, 12) for _ in range(depth - 1))]
    model: dict[str, Any] = draws.choice(
        [{}, {"penalty": 10 ** draws.uniform(-5, -1)}, {"dropout": draws.uniform(0.05, 0.6)}]
    )
    return small.member(
        hidden_units=units,
        activation=draws.choice(["relu", "softmax", "elu", "linear"]),
        learn_rate=10 ** draws.uniform(-4, -1.5),
        epochs=draws.randint(1, 3),
        seeds=[draws.randint(0, 10**5) for _ in range(3)],
        **model,
    )


def any_cohort(draws: random.Random, small: Small) -> list[Member]:
    """Two to six members of one depth, at most 512 rows high."""
    depth = draws.choice([1, 1, 2])
    members = [any_member(draws, small, depth) for _ in range(draws.randint(2, 6))]
    while sum(member.height for member in members) > 512:
        members.pop()
    return members


# Four in the gate; FITPOINT_TEST_COHORTS=50 draws as many.
COHORTS = int(os.environ.get("FITPOINT_TEST_COHORTS", "4"))


# A softmax of one unit is drawn too: a constant, which Keras warns of.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("seed", range(COHORTS))
def test_every_member_of_any_cohort_has_the_bits_that_it_has_alone(small: Small, seed: int) -> None:
    draws = random.Random(seed)
    members = any_cohort(draws, small)
    objective = small.objective(metrics=("accuracy",))
    rows, validation = small.rows(0, 270), small.rows(270)
    packed = train(members, objective, SHUFFLE, rows, validation)
    for place in draws.sample(range(len(members)), min(2, len(members))):
        alone = train([members[place]], objective, SHUFFLE, rows, validation)[0]
        assert weights_sha256(alone.weights) == weights_sha256(packed[place].weights), place
        assert [r.values for r in alone.history] == [r.values for r in packed[place].history]


def test_the_order_of_members_changes_nobodys_bits(small: Small) -> None:
    members = any_cohort(random.Random(99), small)
    objective = small.objective()
    forwards = train(members, objective, SHUFFLE, small.rows())
    backwards = train(members[::-1], objective, SHUFFLE, small.rows())[::-1]
    assert [weights_sha256(each.weights) for each in forwards] == [
        weights_sha256(each.weights) for each in backwards
    ]
