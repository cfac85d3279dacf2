"""How good a model is on one dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.domain.metric_names import Estimator, EventLevel
from service.domain.schema import Seed, Spec, Value

MAX_RESAMPLES = 10_000


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


class ConstantPrediction(Value):
    """What a model without predictors predicts for every row.

    `values` is the code of the training rows' most common class, or their mean of each outcome.
    """

    kind: Literal["majority", "mean"]
    values: tuple[float, ...]


class Bootstrap(Spec):
    """Resamples of the rows that are judged, with replacement: how far to trust a score.

    `level` is the share of resamples between an interval's ends, which are quantiles.
    """

    times: int = Field(default=1000, ge=1, le=MAX_RESAMPLES)
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")


class Interval(Value):
    """The quantiles of a score over resamples, their standard deviation, and how many had one."""

    low: float
    high: float
    std_err: float | None
    times: int


def _absent(value: object) -> bool:
    return value is None


class Evaluation(Value):
    """A model's scores on a dataset; an undefined or non-finite score is None, with a warning.

    `estimator` and `event_level` are what was asked for; `intervals` is None of a score that no
    resample has. With `rows` "testing" it is on those rows of the training dataset that the fit
    never saw.
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
    estimator: Estimator | None = Field(default=None, exclude_if=_absent)
    event_level: EventLevel | None = Field(default=None, exclude_if=_absent)
    bootstrap: Bootstrap | None = Field(default=None, exclude_if=_absent)
    intervals: dict[str, Interval | None] | None = Field(default=None, exclude_if=_absent)
    rows: Literal["testing"] | None = Field(default=None, exclude_if=_absent)
