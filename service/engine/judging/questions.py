"""What can be asked of a model about the rows of a table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.domain.evaluations import Bootstrap
from service.domain.metric_names import Estimator, EventLevel
from service.domain.schema import Value
from service.engine.judging.curve_points import CurveKind
from service.engine.plots.canvas import PictureFormat

# Steps of arithmetic that take a few tenths of a second: more is done in a child.
QUICK = 300_000_000
# What a step of a bootstrap costs, in those.
_RESAMPLED = 30
# What a probability costs that is held: a million of them are a few arrays of 8 MB.
_SORTED = 300
# What a cell of the table of predicted and true classes costs.
_TABLED = 30


class Scored(Value):
    """The evaluation on a dataset, which is named in it."""

    what: Literal["evaluation"] = "evaluation"
    id: str = ""
    dataset: str
    dataset_sha256: str
    metrics: tuple[str, ...] | None = None
    estimator: Estimator | None = None
    event_level: EventLevel | None = None
    bootstrap: Bootstrap | None = None


class Curved(Value):
    """A curve's points, or its picture when there is a format; `levels` None shows all."""

    what: Literal["curve"] = "curve"
    kind: CurveKind
    levels: tuple[str, ...] | None = None
    event_level: EventLevel | None = None
    points: int = 200
    bins: int = 10
    title: str = ""
    fmt: PictureFormat | None = None


class Compared(Value):
    """The scores of two models and their differences."""

    what: Literal["comparison"] = "comparison"
    metrics: tuple[str, ...]
    estimator: Estimator | None = None
    event_level: EventLevel | None = None
    bootstrap: Bootstrap


class Explained(Value):
    """The permutation importance of the columns, the `limit` most important ones of it."""

    what: Literal["importance"] = "importance"
    metric: str
    times: int
    rows: int
    seed: int
    limit: int
    title: str = ""
    fmt: PictureFormat | None = None


class WorstAsked(Value):
    """The rows that the model is most wrong about; `pixels` are the columns of their pictures."""

    what: Literal["worst"] = "worst"
    count: int
    outcome: int = 0
    pixels: tuple[str, ...] | None = None
    brightest: float | None = None
    title: str = ""
    fmt: PictureFormat | None = None


Question = Annotated[
    Scored | Curved | Compared | Explained | WorstAsked, Field(discriminator="what")
]


def work(asked: Question, n_rows: int, n_parameters: int, n_columns: int, n_outputs: int) -> int:
    """Return about how many steps of arithmetic an answer takes."""
    once = n_rows * (n_parameters + n_columns + _SORTED * n_outputs) + _TABLED * n_outputs**2
    resampled = _RESAMPLED * max(n_rows, n_outputs) * n_outputs
    match asked:
        case Scored(bootstrap=None) | Curved() | WorstAsked():
            return once
        case Scored(bootstrap=Bootstrap(times=times)):
            return once + times * resampled
        case Compared():
            return 2 * (once + asked.bootstrap.times * resampled)
        case Explained():
            return min(n_rows, asked.rows) * n_parameters * asked.times * n_columns
    raise AssertionError(f"Expected a question. Received {asked}.")
