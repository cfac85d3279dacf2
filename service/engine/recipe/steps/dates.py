"""A step that makes columns of a date's parts: `date`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.domain.recipe import Date
from service.domain.selectors import Kind
from service.engine.recipe.source import Codes, Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import MISSING, View

_DAY_SECONDS = 86_400.0
# 1970-01-01 was a Thursday; R counts from Sunday.
_FIRST_WEEKDAY = 4


class DateParts(MakingStep):
    """Numbers, and the day of the week and the month as factors."""

    step: Literal["date"] = "date"
    # Of each new column its date and the part.
    origins: tuple[tuple[str, str], ...]
    # Dates with a time of day: seconds instead of days.
    times: tuple[str, ...]
    label: bool
    words: dict[str, tuple[str, ...]]
    ordinal: bool

    def kind_of_made(self, name: str) -> Kind:
        """Return the kind of a new column."""
        return "nominal" if self.label and self._part(name) in ("dow", "month") else "numeric"

    def makes_ordered(self, name: str) -> bool:
        """Return whether a nominal column which the step writes is ordered, whatever it was."""
        return self.ordinal and self.kind_of_made(name) == "nominal"

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the columns before the step that a column which it writes is computed from."""
        return (self.origins[self._place[name]][0],)

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        column, what = self.origins[self._place[name]]
        values = before.numeric(column)
        there = np.isfinite(values)
        per_day = _DAY_SECONDS if column in self.times else 1.0
        days = np.floor(np.where(there, values, 0.0) / per_day)
        found = _part(what, days.astype(np.int64), np.where(there, values, 0.0) / per_day - days)
        return np.where(there, found, np.nan)

    def codes(self, name: str, before: View) -> Codes:
        """Return the 0-based levels after the step of a nominal column which it writes."""
        numbers = self.numeric(name, before)
        missing = np.isnan(numbers)
        return np.where(missing, MISSING, np.where(missing, 1, numbers) - 1).astype(np.int32)

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels after the step of a nominal column which it writes."""
        return self.words[self._part(name)]

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        return {"columns": list(self.made)}

    def _part(self, name: str) -> str:
        return self.origins[self._place[name]][1]


def learn_date(step: Date, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn nothing, as recipes 1.0.4's `step_date`.

    Of each date its `features`, named `column_feature`: `dow` (Sunday is 1) and `month` as factors
    with English names, or as numbers without `label`; `year`, `doy`, `week` (the days 1 to 7 are
    week 1), `decimal` (the year and the part of it that has passed), `quarter`, `semester`. A
    datetime is read in UTC. The date itself stays, unless `keep_original_cols` is false, and has to
    go before the network: a 'remove' step drops it.
    """
    origins = tuple((name, feature) for name in columns for feature in step.features)
    return Learned(
        fitted=DateParts(
            made=tuple(f"{name}_{feature}" for name, feature in origins),
            dropped=() if step.keep_original_cols else tuple(columns),
            origins=origins,
            times=tuple(n for n in columns if training.source.types.get(n) == "datetime"),
            label=step.label,
            words={"dow": step.words("dow"), "month": step.words("month")},
            ordinal=step.ordinal,
        ),
        reasons=dict.fromkeys(columns, "Its parts replace it."),
    )


def _part(what: str, days: NDArray[np.int64], of_day: Floats) -> Floats:
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64) % 12
    years = dates.astype("datetime64[Y]")
    first = years.astype("datetime64[D]")
    passed = (dates - first).astype(np.int64)
    year = years.astype(np.int64) + 1970
    match what:
        case "dow":
            found = (days + _FIRST_WEEKDAY) % 7 + 1
        case "month":
            found = months + 1
        case "year":
            found = year
        case "doy":
            found = passed + 1
        case "week":
            found = passed // 7 + 1
        case "quarter":
            found = months // 3 + 1
        case "semester":
            found = months // 6 + 1
        case _:
            length = ((years + 1).astype("datetime64[D]") - first).astype(np.int64)
            found = year + (passed + of_day) / length
    return found.astype(np.float64)


KINDS = (StepKind(Date, DateParts, learn_date),)
