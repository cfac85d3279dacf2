"""Which candidates a tune tries: a grid as a client writes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from service.domain.schema import Seed, Spec

MAX_CANDIDATES = 10_000
# Candidates times resamples: what one job trains.
MAX_FITS = 100_000

# The other fields of a row of trials; an id of that name would hide one.
RESERVED_IDS = frozenset(
    ("trial", "config", "metric", "mean", "n", "std_err", "pruned_at", "note", "resample")
)

# Beyond this a whole number is no exact double any more, nor one in every client's JSON.
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Text = Annotated[str, Field(max_length=256)]
Cell = (
    Whole
    | float
    | bool
    | Text
    | Annotated[list[Whole | float | Text], Field(min_length=1, max_length=4096)]
    | None
)
Scale = Literal["identity", "log10", "log2", "log"]
Size = Annotated[int, Field(ge=1, le=MAX_CANDIDATES)]


class ParameterRange(Spec):
    """Where a parameter lies: `min` and `max` on `scale`, or the `values` it may take.

    On scale "log10" `min` -5 and `max` -1 mean 0.00001 to 0.1. Without `scale`, dials' one for the
    parameter.
    """

    min: float | None = None
    max: float | None = None
    scale: Scale | None = None
    values: Annotated[list[Cell], Field(min_length=1, max_length=MAX_CANDIDATES)] | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> ParameterRange:
        ends = (self.min, self.max)
        if self.values is not None and (ends != (None, None) or self.scale is not None):
            raise ValueError("Expected `min` and `max`, or `values`, not both. Remove one of them.")
        if self.values is None and None in ends:
            raise ValueError(
                "Expected `min` and `max`, or `values`. Received "
                f"min={_shown(self.min)}, max={_shown(self.max)} and no values."
            )
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"Expected `min` below `max`. Received {self.min:g} and {self.max:g}.")
        if self.values is not None:
            _refuse_repeats(self.values)
        return self


Ranges = Annotated[dict[str, ParameterRange], Field(max_length=64)]


class Expand(Spec):
    """Every combination of the values; the first id varies slowest (tidyr::expand_grid)."""

    kind: Literal["expand"]
    values: Annotated[
        dict[str, Annotated[list[Cell], Field(min_length=1, max_length=MAX_CANDIDATES)]],
        Field(min_length=1, max_length=64),
    ]

    @field_validator("values")
    @classmethod
    def _once(cls, value: dict[str, list[Cell]]) -> dict[str, list[Cell]]:
        for cells in value.values():
            _refuse_repeats(cells)
        return value


class Regular(Spec):
    """Every combination of evenly spaced values; the first id varies fastest (grid_regular).

    Evenly on the range's scale, whole numbers rounded down, of `values` the first `levels`.
    """

    kind: Literal["regular"]
    ranges: Ranges = {}
    levels: Size | Annotated[dict[str, Size], Field(min_length=1, max_length=64)] = Field(
        default=3, description="For all ids, or an object with the levels of each."
    )

    @field_validator("levels", mode="before")
    @classmethod
    def _counts(cls, value: Any) -> Any:
        # Said here, since a union would tell of a number and of an object.
        counts = list(value.values()) if isinstance(value, dict) else [value]
        for count in counts:
            if type(count) is not int or not 1 <= count <= MAX_CANDIDATES:
                raise ValueError(
                    f"Expected levels from 1 to {MAX_CANDIDATES}: a number for all ids, or an "
                    f"object with one for each. Received {str(count)[:64]!r}."
                )
        return value


class Random(Spec):
    """Independent draws, evenly on each range's scale (dials::grid_random)."""

    kind: Literal["random"]
    ranges: Ranges = {}
    size: Size = 5
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")


class SpaceFilling(Spec):
    """A Latin hypercube whose closest points lie far apart; the points are not dials' own."""

    kind: Literal["space_filling"]
    ranges: Ranges = {}
    size: Size = 5
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")


class Rows(Spec):
    """The candidates one by one, each with a value for every id."""

    kind: Literal["rows"]
    rows: Annotated[
        list[Annotated[dict[str, Cell], Field(min_length=1, max_length=64)]],
        Field(min_length=1, max_length=MAX_CANDIDATES),
    ]


class Bayes(Spec):
    """`initial` candidates of a space-filling design, then proposals up to `size` in all.

    They come in rounds of `initial`, each proposed by Optuna's TPE sampler from all results so far
    of the metric of `finalize`, or else the first one. No candidate is tried twice: of a smaller
    space all are.
    """

    kind: Literal["bayes"]
    ranges: Ranges = {}
    initial: Size = 5
    size: Size = 30
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")

    @model_validator(mode="after")
    def _initial_in_size(self) -> Bayes:
        if self.initial > self.size:
            raise ValueError(
                "Expected `initial` to be at most `size`, which counts all candidates. Received "
                f"initial={self.initial} and size={self.size}."
            )
        return self


Grid = Annotated[
    Expand | Regular | Random | SpaceFilling | Rows | Bayes, Field(discriminator="kind")
]


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _refuse_repeats(cells: list[Cell]) -> None:
    seen = set()
    for cell in cells:
        # 1 and 1.0 are one value; true and 1, "[1]" and [1] are two.
        key = (isinstance(cell, bool), tuple(cell) if isinstance(cell, list) else cell)
        if key in seen:
            raise ValueError(f"Expected each value once. Received {cell!r} twice.")
        seen.add(key)
