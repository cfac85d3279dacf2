"""A look at a stored table: counts, distributions and correlations, as JSON or as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic_core import to_json

from service.domain.datasets import Column
from service.domain.schema import Value
from service.engine.plots.bar import bar
from service.engine.plots.canvas import PictureFormat
from service.engine.plots.heatmap import heatmap
from service.engine.plots.histogram import histogram
from service.engine.tables.correlation import correlation
from service.engine.tables.distribution import spread
from service.engine.tables.tab import cross_tab, tab, value_text
from service.engine.tables.table import Table

# Products of two cells, or cells of one column, that take about a tenth of a second.
QUICK = 1_000_000_000
QUICK_ROWS = 2_000_000


class Look(Value):
    """What to look at.

    `columns` are what is counted, spread or correlated, `profile` the first one's. `by` is the
    second column of a cross table, `fmt` a picture's format, None for JSON.
    """

    what: Literal["tab", "distribution", "correlation"]
    columns: tuple[str, ...]
    profile: Column | None = None
    by: str | None = None
    sort: bool = False
    bins: int | None = None
    title: str = ""
    fmt: PictureFormat | None = None

    def is_quick(self, n_rows: int) -> bool:
        """Return whether it takes a moment and little memory in a table of so many rows."""
        if self.what == "correlation":
            return n_rows * len(self.columns) ** 2 <= QUICK
        return n_rows <= QUICK_ROWS


def look(table: Table, asked: Look) -> bytes:
    """Return the answer: JSON, numbers that are not finite null, or a picture.

    Raises:
        InvalidSpec: a column of too many values to count.
    """
    match asked.what:
        case "tab":
            return _json({"data": _counts(table, asked)})
        case "distribution":
            return _drawn(table, asked) if asked.fmt else _json(_distribution(table, asked))
        case "correlation":
            found = correlation(table, asked.columns)
            if asked.fmt:
                return heatmap(found.r, found.columns, title=asked.title, fmt=asked.fmt)
            told = {"columns": found.columns, "data": found.r.tolist(), "n": found.n.tolist()}
            return _json(told)


def _json(told: Mapping[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null")


def _counts(table: Table, asked: Look) -> list[dict[str, Any]]:
    rows = max(table.n_rows, 1)
    (column,) = asked.columns
    found = tab(table, column) if asked.by is None else cross_tab(table, column, asked.by)
    data = [{**count._asdict(), "prop": count.n / rows} for count in found]
    if asked.sort:
        data.sort(key=lambda count: -count["n"])
    return data


def _profile(asked: Look) -> Column:
    if asked.profile is None:
        raise ValueError(f"Expected a look with the column's profile. Received {asked}.")
    return asked.profile


def _has_bins(column: Column) -> bool:
    return column.is_numeric or column.is_temporal


def _drawn(table: Table, asked: Look) -> bytes:
    column, fmt = _profile(asked), asked.fmt or "svg"
    name = column.name
    if _has_bins(column):
        values = table.numeric(name)
        return histogram(values, column=name, bins=asked.bins, kind=column.type, fmt=fmt)
    counts = [count for count in tab(table, name) if count.level is not None]
    return bar(
        [count.n for count in counts],
        [str(count.level) for count in counts],
        column=name,
        missing=column.n_missing,
        fmt=fmt,
    )


def _distribution(table: Table, asked: Look) -> dict[str, Any]:
    column = _profile(asked)
    told: dict[str, Any] = {
        "column": column.name,
        "type": column.type,
        "n": table.n_rows - column.n_missing,
        "n_missing": column.n_missing,
        "n_unique": column.n_unique,
        "mean": column.mean,
        "sd": column.sd,
        "skewness": None,
        "quantiles": [],
        "bins": [],
        "levels": [],
    }
    if not _has_bins(column):
        return {**told, "levels": _counts(table, asked)}
    found = spread(table.numeric(column.name), asked.bins)

    def shown(value: float) -> float | str:
        return value_text(value, column.type) if column.is_temporal else value

    return {
        **told,
        "skewness": None if column.is_temporal else found.skewness,
        "quantiles": [{"prob": p, "value": shown(cut)} for p, cut in found.quantiles],
        "bins": [{"low": shown(low), "high": shown(high), "n": n} for low, high, n in found.bins],
    }
