"""Alone equals packed: whoever trains beside a member, its bits are its own."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from service.domain.fit import KERAS3_ACTIVATIONS
from service.domain.network import weights_sha256
from service.engine.training import cohort, program
from service.engine.training.members import Member
from service.engine.training.objective import Objective
from service.engine.training.self_check import alone_equals_packed
from service.engine.training.states import Trained
from service.engine.training.train import train

if TYPE_CHECKING:
    from tests.engine.training.conftest import Small

SHUFFLE = 5


def any_member(draws: random.Random, small: Small, depth: int) -> Member:
    """A member with any width, activation, penalty or dropout, step size, seeds and epochs."""
    first = draws.choice([1, 2, 3, draws.randint(4, 70), draws.randint(1, 200)])
    units: int | list[int] = [first, *(draws.randint(1, 40) for _ in range(depth - 1))]
    model: dict[str, Any] = draws.choice(
        [{}, {"penalty": 10 ** draws.uniform(-5, -1)}, {"dropout": draws.uniform(0.05, 0.6)}]
    )
    return small.member(
        hidden_units=units,
        activation=draws.choice(sorted(KERAS3_ACTIVATIONS)),
        learn_rate=10 ** draws.uniform(-4, -1.5),
        epochs=draws.randint(1, 3),
        seeds=[draws.randint(0, 10**5) for _ in range(3)],
        engine={"name": "keras3"},
        **model,
    )


def any_cohort(draws: random.Random, small: Small) -> list[Member]:
    """Two to six members of one depth, at most 512 rows high."""
    depth = draws.choice([1, 1, 2, 3])
    members = [any_member(draws, small, depth) for _ in range(draws.randint(2, 6))]
    while sum(member.height for member in members) > 512:
        members.pop()
    return members


def any_objective(draws: random.Random, small: Small) -> Objective:
    """Any batch size, down to a single row, loss and a few optimizers."""
    return small.objective(
        loss=draws.choice(["binary_crossentropy", "categorical_crossentropy"]),
        metrics=("accuracy", "mean_squared_error"),
        optimizer={"name": draws.choice(["adam", "adamw", "sgd", "rmsprop", "nadam"])},
        batch_size=draws.choice([1, 2, 3, 7, 16, 32, 32, 64, 100, 128, 256]),
    )


# Four in the gate; FITPOINT_TEST_COHORTS=50 draws as many.
COHORTS = int(os.environ.get("FITPOINT_TEST_COHORTS", "4"))


def result(trained: Trained) -> tuple[str, str]:
    """Return the weights' hash and the history as text, in which NaN equals NaN."""
    return weights_sha256(trained.weights), repr([record.values for record in trained.history])


# A softmax of one unit is drawn too: a constant, which Keras warns of.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("seed", range(COHORTS))
def test_every_member_of_any_cohort_has_the_bits_that_it_has_alone(small: Small, seed: int) -> None:
    draws = random.Random(seed)
    members = any_cohort(draws, small)
    objective = any_objective(draws, small)
    rows, validation = small.rows(0, 270), small.rows(270)
    packed = train(members, objective, SHUFFLE, rows, validation)
    places = range(len(members)) if COHORTS > 4 else draws.sample(range(len(members)), 2)
    for place in places:
        alone = train([members[place]], objective, SHUFFLE, rows, validation)[0]
        assert result(alone) == result(packed[place]), (objective, members[place])


def test_the_engine_finds_that_company_does_not_matter_here() -> None:
    assert alone_equals_packed()


def test_the_engine_finds_it_out_when_company_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    # Low products as they come, with the kernel that XLA has for them.
    monkeypatch.setattr(program, "GRADIENT_ROWS", 1)
    monkeypatch.setattr(cohort, "height_of", lambda units, _backend, _batch_size: units)
    program._program.cache_clear()
    try:
        assert not alone_equals_packed()
    finally:
        program._program.cache_clear()


def test_the_order_of_members_changes_nobodys_bits(small: Small) -> None:
    members = any_cohort(random.Random(99), small)
    objective = small.objective()
    forwards = train(members, objective, SHUFFLE, small.rows())
    backwards = train(members[::-1], objective, SHUFFLE, small.rows())[::-1]
    assert [weights_sha256(each.weights) for each in forwards] == [
        weights_sha256(each.weights) for each in backwards
    ]
