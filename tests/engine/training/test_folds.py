"""Fits of a resample: they learn from its analysis rows alone and are scored on the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.history import EpochRecord
from service.engine.task import CohortTask, FitOutcome, FitTask, Fold, Source
from service.engine.training import program, runtime
from service.engine.training.fit import fit
from service.engine.training.program import EpochProgram
from tests.executors.fits import stored, table, task

BODY: dict[str, Any] = {
    "seeds": [1, 2, 3],
    "hidden_units": 5,
    "activation": "relu",
    "dropout": 0.2,
    "epochs": 3,
}
RECIPE = [{"step": "zv"}, {"step": "normalize"}]


def run(*fits: FitTask, checkpoints: Path | None = None, **told: Any) -> tuple[FitOutcome, ...]:
    given = {"on_epoch": lambda _: None, "should_stop": lambda: False, **told}
    cohort = CohortTask(fits=fits, checkpoints=checkpoints)
    return fit(cohort, runtime.environment(1), **given)


def fold(analysis: Any, assessment: Any, number: int = 1) -> Fold:
    return Fold(
        number=number,
        analysis=np.asarray(analysis, np.int64),
        assessment=np.asarray(assessment, np.int64),
        metrics=("accuracy", "roc_auc"),
    )


def candidate(source: Source, folder: Path, rows: Fold, **model: Any) -> FitTask:
    asked = task(source, folder / "unused", model={**BODY, **model}, recipe=RECIPE, evaluate=[])
    return replace(asked, staging=None, fold=rows, trial=7)


def rewritten(source: Path, folder: Path, name: str, lines: list[str]) -> Source:
    header = source.read_text().splitlines()[0]
    path = folder / f"{name}.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return stored(path, folder)


def test_a_fold_gives_the_weights_and_the_scores_of_a_table_that_holds_its_rows(
    tmp_path: Path,
) -> None:
    source = table(tmp_path)
    lines = (tmp_path / "table.csv").read_text().splitlines()[1:]
    draws = np.random.default_rng(5)
    # As a bootstrap: in any order, some rows twice.
    analysis = draws.integers(0, 300, 310)
    assessment = np.arange(300, 400)
    told: list[EpochRecord] = []
    (found,) = run(candidate(source, tmp_path, fold(analysis, assessment, 4)), on_epoch=told.extend)
    assert {(record.trial, record.fold) for record in told} == {(7, 4)}
    train = rewritten(tmp_path / "table.csv", tmp_path, "train", [lines[n] for n in analysis])
    test = rewritten(tmp_path / "table.csv", tmp_path, "test", [lines[n] for n in assessment])
    whole = task(train, tmp_path / "whole", model=BODY, recipe=RECIPE, evaluate=[])
    evaluated = whole.spec.model_validate(
        {
            **whole.spec.model_dump(),
            "evaluate": [{"dataset": "test", "metrics": ["accuracy", "roc_auc"]}],
        }
    )
    (expected,) = run(replace(whole, spec=evaluated, evaluations=(test,)))
    assert found.assessed is not None
    assert expected.fitted is not None
    assert found.assessed.weights_sha256 == expected.fitted.weights_sha256
    assert found.assessed.scores == pytest.approx(
        expected.fitted.evaluations[0].metrics,
        rel=1e-6,  # the served network folds the recipe in
    )


def test_nothing_that_only_the_assessment_rows_hold_changes_a_weight(tmp_path: Path) -> None:
    source = table(tmp_path)
    lines = (tmp_path / "table.csv").read_text().splitlines()[1:]
    # The first column is constant where the fit learns; far away and telling where it is assessed.
    leak = [
        ",".join(["1" if n < 300 else str(1000 + n), *line.split(",")[1:]])
        for n, line in enumerate(lines)
    ]
    constant = [",".join(["1", *line.split(",")[1:]]) for line in lines]
    rows = fold(np.arange(300), np.arange(300, 400))
    hashes, predictors = set(), set()
    for name, changed in (("leak", leak), ("constant", constant)):
        other = rewritten(tmp_path / "table.csv", tmp_path, name, changed)
        (found,) = run(candidate(other, tmp_path, rows))
        assert found.assessed is not None
        hashes.add(found.assessed.weights_sha256)
        predictors.add(found.assessed.n_predictors)
    assert len(hashes) == 1
    assert predictors == {len(source.dataset.columns) - 2}


def test_folds_whose_sizes_differ_by_a_row_run_one_compiled_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced: list[int] = []

    class Counting(EpochProgram):
        def _train_epoch(self, *arguments: Any) -> Any:
            traced.append(1)
            return super()._train_epoch(*arguments)

    monkeypatch.setattr(program, "EpochProgram", Counting)
    program._program.cache_clear()
    source = table(tmp_path)
    for number, n in enumerate((300, 301, 299), 1):
        rows = fold(np.arange(n), np.arange(n, 400), number)
        run(candidate(source, tmp_path, rows))
    monkeypatch.undo()
    program._program.cache_clear()
    assert len(traced) == 1


def test_fits_are_told_as_they_end_and_those_left_go_on_from_a_checkpoint_of_all(
    tmp_path: Path,
) -> None:
    source = table(tmp_path)
    rows = fold(np.arange(300), np.arange(300, 400))
    short, long = (
        replace(candidate(source, tmp_path, rows, epochs=epochs), trial=trial)
        for trial, epochs in ((1, 2), (2, 6))
    )
    order: list[tuple[str, int]] = []

    def should_stop() -> bool:
        return order.count(("epoch", 2)) == 4

    told = {
        "on_epoch": lambda records: order.extend(("epoch", r.trial) for r in records),
        "on_ended": lambda place, _: order.append(("ended", place + 1)),
    }
    kept = tmp_path / "kept"
    (whole, stopped) = run(short, long, checkpoints=kept, should_stop=should_stop, **told)
    assert order.index(("ended", 1)) < order.index(("epoch", 2), order.index(("ended", 1)))
    assert stopped.ending == "cancelled"
    (resumed,) = run(long, checkpoints=kept)
    assert "went on from the checkpoint of epoch 4" in resumed.log
    first, second = run(short, long)
    assert first.assessed == whole.assessed
    assert second.assessed == resumed.assessed is not None


def test_a_candidate_whose_recipe_fails_says_why_and_raises_nothing(tmp_path: Path) -> None:
    source = table(tmp_path, hole=True)
    rows = fold(np.arange(100, 400), np.arange(100))
    asked = replace(
        candidate(source, tmp_path, rows),
        spec=task(source, tmp_path / "unused", model=BODY, recipe=[], evaluate=[]).spec,
    )
    (found,) = run(asked)
    assert found.ending == "failed"
    assert found.error is not None
    assert "row 400" in found.error["detail"]
    assert found.assessed is None
