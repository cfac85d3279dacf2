"""The bundle: a zip that predicts raw rows with numpy alone, as the model does."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.errors import NotExportable
from service.domain.fit import KERAS3_ACTIVATIONS
from service.engine.artifact import Artifact
from service.engine.exports.bundle import bundle
from service.engine.exports.portable import portable
from service.engine.exports.probing import NEW, Probe
from service.engine.exports.scorer import Scorer
from tests.engine.exports.mixed_models import WHOLE, json_cell, mixed_model

# One float32 step of a probability of 1, twice: the products are summed in another order.
ROUNDING = 3e-7


def unpacked(artifact: Artifact, folder: Path) -> Path:
    """The bundle of a model, unpacked."""
    with zipfile.ZipFile(io.BytesIO(bundle(portable(artifact), "m@1"))) as archive:
        archive.extractall(folder / "bundle")
    return folder / "bundle"


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    """Rows as a CSV, NA where missing."""
    names = list(rows[0])
    lines = [",".join(names)]
    for row in rows:
        cells = ("NA" if row[name] is None else row[name] for name in names)
        lines.append(",".join(json_cell(c) if isinstance(c, str) else repr(c) for c in cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_it_runs_alone_on_gaps_and_new_levels(tmp_path: Path) -> None:
    artifact, table = mixed_model(tmp_path)
    probe = Probe(artifact, table)
    rows = probe.rows()
    assert any(row["shape"] == NEW for row in rows)
    assert any(row["long"] is None for row in rows)
    assert any(row["colour"] is None for row in rows)
    folder = unpacked(artifact, tmp_path)
    file = written(rows, tmp_path / "rows.csv")
    # -I: neither this repository nor its environment variables are there.
    done = subprocess.run(
        [sys.executable, "-I", "scorer.py", str(file)],
        cwd=folder,
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "utf-8"},
    )
    answer = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert list(answer[0]) == [".pred_class", ".pred_c", ".pred_a", ".pred_b"]
    prob = np.array([[float(row[f".pred_{level}"]) for level in "cab"] for row in answer])
    classes = [row[".pred_class"] for row in answer]
    assert probe.compare(prob.astype(np.float32), classes).max_difference <= ROUNDING
    assert len(rows) > 500


@pytest.mark.parametrize("activation", KERAS3_ACTIVATIONS)
def test_every_activation_is_the_models(tmp_path: Path, activation: str) -> None:
    artifact, table = mixed_model(tmp_path, activation=activation)
    probe = Probe(artifact, table)
    found = Scorer(unpacked(artifact, tmp_path)).predict(probe.rows())
    assert probe.compare(found["prob"], found["class"]).max_difference <= ROUNDING


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": "select", "columns": ["wide"]}, {"step": "impute_mean"}],
        [{"step": "remove", "columns": "-wide"}, {"step": "naomit"}, {"step": "center"}],
        [{"step": "select", "columns": ["whole"]}, {"step": "divide", "by": 255.0}],
        [{"step": "select", "columns": ["flag"]}, {"step": "dummy", "one_hot": True}],
        [{"step": "select", "columns": ["size", "zero"]}, {"step": "dummy"}, {"step": "scale"}],
        [{"step": "select", "columns": "wide"}, {"step": "range", "clipping": False}],
    ],
    ids=["fill", "drop", "divide", "logical", "ordered", "range"],
)
def test_each_kind_of_step_is_held(tmp_path: Path, steps: list[dict[str, Any]]) -> None:
    artifact, table = mixed_model(tmp_path, steps)
    probe = Probe(artifact, table)
    found = Scorer(unpacked(artifact, tmp_path)).predict(probe.rows())
    assert probe.compare(found["prob"], found["class"]).max_difference <= ROUNDING


def test_a_regression_gives_numbers(tmp_path: Path) -> None:
    steps = [{"step": "impute_median"}, {"step": "unknown"}, {"step": "novel"}, {"step": "dummy"}]
    artifact, table = mixed_model(
        tmp_path, [{"step": "remove", "columns": ["long", "y"]}, *steps], outcome="wide"
    )
    probe = Probe(artifact, table)
    found = Scorer(unpacked(artifact, tmp_path)).predict(probe.rows())
    assert list(found) == ["numeric"]
    assert probe.compare(found["numeric"]).max_difference <= ROUNDING


@pytest.mark.parametrize(
    "step",
    [
        {"step": "log", "columns": "long"},
        {"step": "impute_knn", "columns": "wide"},
        {"step": "ns", "columns": "long"},
        {"step": "interact", "columns": ["long", "wide"]},
        {"step": "discretize", "columns": "long"},
    ],
    ids=lambda step: step["step"],
)
def test_another_step_is_refused_by_name(tmp_path: Path, step: dict[str, Any]) -> None:
    steps = [{"step": "impute_median", "columns": ["long", "whole"]}, step]
    more = [{"step": "impute_median"}, {"step": "unknown"}, {"step": "dummy"}]
    artifact, _ = mixed_model(tmp_path, [*steps, *more])
    with pytest.raises(NotExportable, match=f"step '{step['step']}'"):
        portable(artifact)


def test_a_step_that_reaches_nothing_is_no_hindrance(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "log", "columns": "whole", "offset": 4.0},
        {"step": "select", "columns": "zero"},
    ]
    artifact, _ = mixed_model(tmp_path, steps)
    assert [column.name for column in portable(artifact).inputs.columns] == ["zero"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"wide": 1.0}, "column 'flag' in row 1"),
        ({"wide": None, "flag": "TRUE"}, "row 1 of column 'wide'"),
        ({"wide": "1", "flag": "TRUE"}, "a number in row 1 of column 'wide'"),
        ({"wide": float("inf"), "flag": "TRUE"}, "a number in row 1 of column 'wide'"),
        ({"wide": True, "flag": "TRUE"}, "a number in row 1 of column 'wide'"),
        ({"wide": 1.0, "flag": "maybe"}, "a level of the training rows in row 1 of column 'flag'"),
        ({"wide": 1.0, "flag": None}, "row 1 of column 'flag_TRUE.'"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_row_and_column(
    tmp_path: Path, row: dict[str, Any], words: str
) -> None:
    artifact, _ = mixed_model(
        tmp_path, [{"step": "select", "columns": ["wide", "flag"]}, {"step": "dummy"}]
    )
    with pytest.raises(ValueError, match=words):
        Scorer(unpacked(artifact, tmp_path)).predict([row])


def test_equal_models_are_equal_bytes_and_no_pickle_is_in_them(tmp_path: Path) -> None:
    artifact, _ = mixed_model(tmp_path)
    content = bundle(portable(artifact), "m@1")
    assert content == bundle(portable(artifact), "m@1")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["README.md", "arrays.npz", "model.json", "scorer.py"]
        told = json.loads(archive.read("model.json"))
        with np.load(io.BytesIO(archive.read("arrays.npz")), allow_pickle=False) as arrays:
            assert {array.dtype.kind for array in arrays.values()} == {"f"}
    assert {step["step"] for step in told["steps"]} <= {step["step"] for step in WHOLE}


def test_a_file_that_answers_otherwise_is_not_given(tmp_path: Path) -> None:
    artifact, table = mixed_model(tmp_path)
    probe = Probe(artifact, table)
    off = probe.output.raw.copy()
    off[17, 1] += 2e-4
    with pytest.raises(NotExportable, match=r"a difference of 0\.0002"):
        probe.compare(off)
    with pytest.raises(NotExportable, match="a difference of nan"):
        probe.compare(np.full_like(off, np.nan))
    with pytest.raises(NotExportable, match="another class"):
        probe.compare(probe.output.raw, ["c"] * probe.n_rows)
