"""An interrupted training goes on to the same bits, from whatever its checkpoints are worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from service.domain.fit import EarlyStopping
from service.domain.network import weights_sha256
from service.engine.training import checkpoint
from service.engine.training.members import Member
from service.engine.training.states import MemberState, Trained
from service.engine.training.train import train
from tests.engine.damages import damages

if TYPE_CHECKING:
    from tests.engine.training.conftest import Small

SHUFFLE = 5
IDENTITY = checkpoint.Identity(rows={"training": "t"}, fits=("one",), environment={"keras": "3"})


def cohort(small: Small) -> list[Member]:
    """Shuffling, dropout, early stopping with restored weights, a penalty; others end sooner."""
    rule = EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    stops = small.member(hidden_units=[20, 6], activation="relu", epochs=12, learn_rate=0.05)
    return [
        replace(stops, early_stopping=rule),
        small.member(hidden_units=[12, 5], activation="relu", dropout=0.3, epochs=9),
        small.member(hidden_units=[9, 4], activation="softmax", penalty=0.01, epochs=3),
    ]


def trained(small: Small, members: list[Member], **more: Any) -> tuple[Trained, ...]:
    objective = small.objective(metrics=("accuracy",), optimizer=more.pop("optimizer", None))
    return train(members, objective, SHUFFLE, small.rows(0, 250), small.rows(250), **more)


def same(one: tuple[Trained, ...], other: tuple[Trained, ...]) -> bool:
    return all(
        weights_sha256(a.weights) == weights_sha256(b.weights)
        and [r.values for r in a.history] == [r.values for r in b.history]
        and (a.ending, a.stopped_epoch, a.best_epoch) == (b.ending, b.stopped_epoch, b.best_epoch)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize(
    "optimizer",
    [{"name": "adam", "amsgrad": True}, {"name": "nadam"}, {"name": "rmsprop", "momentum": 0.9}],
    ids=lambda optimizer: optimizer["name"],
)
def test_interrupted_after_any_epoch_a_cohort_ends_with_the_same_bits(
    small: Small, tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    members = cohort(small)
    identity = replace(IDENTITY, fits=tuple(str(place) for place in range(len(members))))
    whole = trained(small, members, optimizer=optimizer)
    assert whole[0].ending == "early_stopping"
    for stop_after in (1, 3, 4, 7):
        folder = tmp_path / str(stop_after)
        epochs: list[int] = []

        def should_stop(epochs: list[int] = epochs, limit: int = stop_after) -> bool:
            epochs.append(1)
            return len(epochs) == limit

        def keep(states: tuple[MemberState, ...], folder: Path = folder) -> None:
            checkpoint.write(folder, identity, states)

        trained(small, members, optimizer=optimizer, should_stop=should_stop, keep=keep)
        found = checkpoint.newest(folder, identity)
        assert found is not None
        assert found.epoch == stop_after
        resumed = trained(small, members, optimizer=optimizer, states=found.states)
        assert same(resumed, whole), stop_after


@pytest.fixture
def states(small: Small) -> tuple[MemberState, ...]:
    """A cohort's states after one epoch and after two."""
    kept: list[tuple[MemberState, ...]] = []
    members = [small.member(hidden_units=4, epochs=9)]
    count: list[int] = []

    def should_stop() -> bool:
        count.append(1)
        return len(count) == 2

    trained(small, members, should_stop=should_stop, keep=kept.append)
    return kept[-1]


def earlier(states: tuple[MemberState, ...]) -> tuple[MemberState, ...]:
    return tuple(replace(state, history=state.history[:1]) for state in states)


def test_a_checkpoint_reads_back_as_it_was_written(
    tmp_path: Path, states: tuple[MemberState, ...]
) -> None:
    nan = states[0].history[0].model_copy(update={"values": {"loss": float("nan")}})
    written = (replace(states[0], history=(nan, states[0].history[1])),)
    checkpoint.write(tmp_path, IDENTITY, written)
    found = checkpoint.newest(tmp_path, IDENTITY)
    assert found is not None
    assert found.environment == IDENTITY.environment
    read = found.states[0]
    assert np.isnan(read.history[0].values["loss"])
    assert read.history[1] == written[0].history[1]
    assert read.stopping == written[0].stopping
    for one, other in zip(
        (read.weights, *read.slots), (written[0].weights, *written[0].slots), strict=True
    ):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype == np.float32
            assert np.array_equal(a, b)


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(
    tmp_path: Path, states: tuple[MemberState, ...]
) -> None:
    # Large enough to be torn at several pages.
    wide = tuple(np.full((60, 60), number, np.float32) for number in range(4))
    states = tuple(replace(state, weights=wide) for state in states)
    checkpoint.write(tmp_path, IDENTITY, earlier(states))
    checkpoint.write(tmp_path, IDENTITY, states)
    newest = max(tmp_path.iterdir())
    whole = newest.read_bytes()
    assert len(whole) > 10 * 4096
    for damaged in damages(whole):
        newest.write_bytes(damaged)
        found = checkpoint.newest(tmp_path, IDENTITY)
        assert found is not None
        assert found.epoch == 1
    newest.write_bytes(whole)
    found = checkpoint.newest(tmp_path, IDENTITY)
    assert found is not None
    assert found.epoch == 2


def test_two_checkpoints_are_kept_and_other_tasks_are_not_used(
    tmp_path: Path, states: tuple[MemberState, ...]
) -> None:
    record = states[0].history[0]
    for epoch in (1, 2, 3):
        history = tuple(record.model_copy(update={"epoch": e + 1}) for e in range(epoch))
        checkpoint.write(tmp_path, IDENTITY, (replace(states[0], history=history),))
    assert len(list(tmp_path.iterdir())) == 2
    for other in ({"rows": {"training": "another"}}, {"fits": ("another",)}):
        assert checkpoint.newest(tmp_path, replace(IDENTITY, **other)) is None
    assert checkpoint.newest(tmp_path / "nowhere", IDENTITY) is None
