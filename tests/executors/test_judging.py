"""A model judged in a child: the same bytes as here, bounded in time, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidData, TooLarge, Unavailable
from service.domain.evaluations import Bootstrap
from service.engine.artifact import publish, write
from service.engine.judging.questions import (
    QUICK,
    Compared,
    Curved,
    Explained,
    Question,
    Scored,
    WorstAsked,
    work,
)
from service.engine.judging.replies import reply
from service.engine.predictor import Predictor
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
from service.executors.judge_child import StoredArtifact
from service.executors.judging import judge
from tests.engine.fitted_models import fitted_model, training

BOOTSTRAP = Bootstrap(times=50, seed=1)
COLUMNS = training(40, 4)


@pytest.fixture
def stored(tmp_path: Path) -> StoredArtifact:
    write(tmp_path / "staging", fitted_model(COLUMNS))
    path, sha256 = publish(tmp_path / "staging", tmp_path)
    return StoredArtifact(directory=tmp_path / path, sha256=sha256)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    source = tmp_path / "t.csv"
    lines = [",".join([*COLUMNS, "y"])]
    for row, values in enumerate(zip(*COLUMNS.values(), strict=True)):
        lines.append(",".join([*map(str, values), "abc"[row % 3]]))
    source.write_text("\n".join(lines) + "\n")
    return tmp_path / ingest(source, tmp_path, ReadOptions()).path


def test_a_child_answers_as_this_process_does(
    path: Path, stored: StoredArtifact, tmp_path: Path
) -> None:
    table, predictor = Table.open(path), Predictor(fitted_model(COLUMNS))
    questions: list[Question] = [
        Scored(
            dataset="t",
            dataset_sha256="0" * 64,
            metrics=("roc_auc", "f_meas"),
            estimator="macro_weighted",
            bootstrap=BOOTSTRAP,
        ),
        Curved(kind="pr", levels=("b",), points=9),
        Curved(kind="calibration", fmt="svg"),
        Explained(metric="mn_log_loss", times=2, rows=30, seed=1, limit=2),
        WorstAsked(count=3),
    ]
    for asked in questions:
        assert judge([stored], path, asked, tmp_path) == reply([predictor], table, asked)
    both = Compared(metrics=("accuracy",), bootstrap=BOOTSTRAP)
    assert judge([stored, stored], path, both, tmp_path) == reply(
        [predictor, predictor], table, both
    )
    assert list(tmp_path.glob("judged-*")) == []


def test_errors_come_across(path: Path, stored: StoredArtifact, tmp_path: Path) -> None:
    asked = Curved(kind="roc")
    source = tmp_path / "u.csv"
    source.write_text("x1,x2,x3,x4\n1,2,3,4\n")
    other = tmp_path / ingest(source, tmp_path, ReadOptions()).path
    with pytest.raises(InvalidData, match="Expected the outcome 'y'") as caught:
        judge([stored], other, asked, tmp_path)
    assert caught.value.errors[0].loc == ("y",)
    with pytest.raises(Unavailable):
        judge([stored], tmp_path / "gone.arrow", asked, tmp_path)
    damaged = stored.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(Unavailable):
        judge([damaged], path, asked, tmp_path)


def test_what_takes_too_long_is_ended(path: Path, stored: StoredArtifact, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=r"within 0\.01 seconds.*fewer resamples"):
        judge([stored], path, Curved(kind="roc"), tmp_path, seconds=0.01)
    assert list(tmp_path.glob("judged-*")) == []


def test_what_takes_long_is_known_before() -> None:
    size = {"n_parameters": 21_850, "n_columns": 717, "n_outputs": 10}
    scored = Scored(dataset="t", dataset_sha256="")
    assert work(scored, 10_000, **size) <= QUICK
    # A small network, and more probabilities than the API's process should hold.
    assert work(scored, 1_000_000, n_parameters=50, n_columns=5, n_outputs=3) > QUICK
    assert work(scored, 100_000, **size) > QUICK
    assert work(scored.model_copy(update={"bootstrap": Bootstrap()}), 10_000, **size) > QUICK
    explained = Explained(metric="accuracy", times=1, rows=100, seed=1, limit=1)
    assert work(explained, 100, **size) > QUICK
    # However many rows there are, it looks at no more than were asked for.
    assert work(explained, 10**9, **size) == work(explained, 100, **size)
