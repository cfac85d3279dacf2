"""Fits that are paused after an epoch: judged as they stand, and gone on with to the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from service.domain.fit import EarlyStopping
from service.domain.network import weights_sha256
from service.engine.task import CohortTask, FitOutcome, FitTask, Fold
from service.engine.training import checkpoint, program, runtime
from service.engine.training.fit import fit
from service.engine.training.program import EpochProgram
from service.engine.training.states import MemberState
from service.engine.training.train import train
from tests.executors.fits import table, task

if TYPE_CHECKING:
    from tests.engine.training.conftest import Small

SHUFFLE = 5
# Four candidates of one depth: dropout adds a layer. The second one ends by itself in epoch 3.
CANDIDATES: list[dict[str, Any]] = [
    {"hidden_units": 5, "dropout": 0.2, "epochs": 9},
    {"hidden_units": [7, 3], "epochs": 3},
    {"hidden_units": [4, 4], "penalty": 0.01, "epochs": 9},
    {"hidden_units": [6, 9], "learn_rate": 0.01, "epochs": 7},
]


@pytest.fixture
def candidates(tmp_path: Path) -> list[FitTask]:
    source = table(tmp_path)
    rows = Fold(
        number=1,
        analysis=np.arange(300),
        assessment=np.arange(300, 400),
        metrics=("accuracy", "roc_auc"),
    )
    found = []
    for trial, model in enumerate(CANDIDATES, 1):
        body = {"seeds": [1, 2, 3], "activation": "relu", **model}
        asked = task(source, tmp_path / "unused", model=body, evaluate=[])
        found.append(replace(asked, staging=None, fold=rows, trial=trial))
    return found


def run(
    fits: list[FitTask], folder: Path | None = None, until: int | None = None, idle: Any = ()
) -> Any:
    """Return the outcomes and what was told: which epochs, and of which checkpoints."""
    epochs: list[tuple[int, int]] = []
    kept: list[int] = []
    outcomes = fit(
        CohortTask(fits=tuple(fits), checkpoints=folder, until=until, idle=frozenset(idle)),
        runtime.environment(1),
        lambda records: epochs.extend((each.trial, each.epoch) for each in records),
        lambda: False,
        kept.append,
    )
    return outcomes, epochs, kept


def endings(outcomes: tuple[FitOutcome, ...]) -> list[tuple[str, int]]:
    return [(each.ending, each.epochs_run) for each in outcomes]


def test_those_chosen_at_each_pause_end_with_the_bits_that_they_have_without_one(
    candidates: list[FitTask], tmp_path: Path
) -> None:
    whole, _, _ = run(candidates)
    folder = tmp_path / "kept"
    first, _, kept = run(candidates, folder, until=2)
    assert endings(first) == [("paused", 2)] * 4
    assert kept[-1] == 2
    second, told, kept = run(candidates[:3], folder, until=5)
    assert endings(second) == [("paused", 5), ("completed", 3), ("paused", 5)]
    assert kept[-1] == 5
    assert {trial for trial, epoch in told if epoch > 2} == {1, 2, 3}
    last, told, _ = run([candidates[0], candidates[2]], folder)
    assert endings(last) == [("completed", 9)] * 2
    assert second[1].assessed == whole[1].assessed
    assert [each.assessed for each in last] == [whole[0].assessed, whole[2].assessed]


def test_those_that_are_idle_keep_a_place_in_the_program_and_change_nobody_s_bits(
    candidates: list[FitTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[int] = []

    class Counting(EpochProgram):
        def _train_epoch(self, *arguments: Any) -> Any:
            traced.append(1)
            return super()._train_epoch(*arguments)

    whole, _, _ = run(candidates)
    monkeypatch.setattr(program, "EpochProgram", Counting)
    program._program.cache_clear()
    folder = tmp_path / "kept"
    run(candidates, folder, until=2)
    second, told, _ = run(candidates, folder, until=5, idle=[0])
    assert endings(second) == [("completed", 3), ("paused", 5), ("paused", 5)]
    assert {trial for trial, _ in told} == {2, 3, 4}
    last, told, _ = run(candidates, folder, idle=[0, 1, 3])
    assert {trial for trial, _ in told} == {3}
    monkeypatch.undo()
    program._program.cache_clear()
    assert endings(last) == [("completed", 9)]
    assert [second[0].assessed, last[0].assessed] == [whole[1].assessed, whole[2].assessed]
    assert len(traced) == 1


def test_without_a_checkpoint_those_that_are_not_idle_begin_anew(
    candidates: list[FitTask], tmp_path: Path
) -> None:
    whole, _, _ = run(candidates)
    (found,), told, _ = run(candidates, tmp_path / "kept", idle=[0, 1, 2])
    assert found.assessed == whole[3].assessed
    assert told == [(4, epoch) for epoch in range(1, 8)]


def test_a_paused_fit_is_judged_as_one_that_was_asked_for_so_many_epochs(
    candidates: list[FitTask], tmp_path: Path
) -> None:
    paused, _, _ = run(candidates, tmp_path / "kept", until=2)
    short = [
        replace(
            each,
            spec=each.spec.model_copy(
                update={"model": each.spec.model.model_copy(update={"epochs": 2})}
            ),
        )
        for each in candidates
    ]
    expected, _, _ = run(short)
    assert [each.assessed for each in paused] == [each.assessed for each in expected]
    assert all(each.fitted is None for each in paused)


@pytest.mark.parametrize("at", [4, 6])
def test_who_stands_at_the_pause_or_further_trains_nothing_and_is_judged_again(
    candidates: list[FitTask], tmp_path: Path, at: int
) -> None:
    folder = tmp_path / "kept"
    before, _, _ = run(candidates, folder, until=at)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    again, told, kept = run(candidates, folder, until=4)
    assert endings(again) == endings(before)
    assert [each.assessed for each in again] == [each.assessed for each in before]
    assert max(epoch for _, epoch in told) == at
    assert kept == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_torn_checkpoint_of_a_pause_costs_epochs_and_no_bits(
    candidates: list[FitTask], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    run(candidates, folder, until=2)
    expected, _, _ = run(candidates, folder, until=4)
    newest = max(folder.glob("*.checkpoint"))
    newest.write_bytes(newest.read_bytes()[:-9])
    again, _, kept = run(candidates, folder, until=4)
    assert [each.assessed for each in again] == [each.assessed for each in expected]
    assert kept[-1] == 4


def test_a_pause_needs_a_place_for_its_checkpoint(candidates: list[FitTask]) -> None:
    with pytest.raises(ValueError, match="folder of checkpoints"):
        run(candidates, None, until=2)


def test_a_stopping_rule_goes_on_counting_over_a_pause(small: Small, tmp_path: Path) -> None:
    rule = EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    member = small.member(hidden_units=20, activation="relu", epochs=500, learn_rate=0.05)
    members = [replace(member, early_stopping=rule)]
    identity = checkpoint.Identity(rows={}, fits=("one",), environment={})

    def keep(states: tuple[MemberState, ...]) -> None:
        checkpoint.write(tmp_path, identity, states)

    rows = small.rows(0, 250), small.rows(250)
    (whole,) = train(members, small.objective(), SHUFFLE, *rows)
    assert whole.stopped_epoch is not None
    # In the middle of the patience that ends it.
    (paused,) = train(
        members, small.objective(), SHUFFLE, *rows, until=whole.stopped_epoch - 1, keep=keep
    )
    assert (paused.ending, paused.stopped_epoch) == ("paused", None)
    # The best weights so far are what it is judged by, as they would be at its end.
    assert weights_sha256(paused.weights) == weights_sha256(whole.weights)
    found = checkpoint.newest(tmp_path, identity)
    assert found is not None
    (last,) = train(members, small.objective(), SHUFFLE, *rows, states=found.states)
    assert (last.ending, last.stopped_epoch) == ("early_stopping", whole.stopped_epoch)
    assert [r.values for r in last.history] == [r.values for r in whole.history]


def test_a_time_limit_counts_the_epochs_before_a_pause(small: Small) -> None:
    kept: list[tuple[MemberState, ...]] = []
    members = [small.member(hidden_units=3, epochs=10_000)]
    train(members, small.objective(), SHUFFLE, small.rows(), until=3, keep=kept.append)
    (state,) = kept[-1]
    slow = replace(
        state, history=tuple(r.model_copy(update={"seconds": 3600.0}) for r in state.history)
    )
    (limited,) = train(
        members, small.objective(), SHUFFLE, small.rows(), states=[slow], max_seconds=3 * 3600
    )
    assert (limited.ending, len(limited.history)) == ("max_seconds", 4)
