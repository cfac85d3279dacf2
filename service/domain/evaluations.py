"""How good a model is on one dataset."""

from __future__ import annotations

from typing import Literal

from service.domain.schema import Value


class Baseline(Value):
    """What a model without predictors scores: the training rows' majority class or mean."""

    kind: str
    metric: str
    value: float | None


class Confusion(Value):
    """Counts with predictions in rows and truth in columns, as yardstick's `conf_mat`."""

    levels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class ClassScore(Value):
    """One class against the rest; a score that is undefined is None."""

    level: str
    n: int
    precision: float | None
    recall: float | None
    f_meas: float | None


class ScoreWarning(Value):
    """Why a score is None, or what was left out of it.

    `metric` is None when it concerns every score; `levels` are the classes it concerns.
    """

    metric: str | None
    code: str
    levels: tuple[str, ...] = ()
    message: str


class Evaluation(Value):
    """A model's scores on a dataset; an undefined or non-finite score is None, with a warning.

    With `rows` "testing" it is on those rows of the training dataset that the fit never saw.
    """

    id: str
    dataset: str
    dataset_sha256: str
    n: int
    metrics: dict[str, float | None]
    baseline: Baseline
    confusion: Confusion | None = None
    by_class: tuple[ClassScore, ...] | None = None
    warnings: tuple[ScoreWarning, ...] = ()
    rows: Literal["testing"] | None = None
