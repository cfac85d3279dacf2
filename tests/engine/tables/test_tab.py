"""Counts of one column and of two, against pandas' crosstab."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from service.domain.errors import InvalidSpec
from service.engine.tables.tab import cross_tab, tab

TEXT = "y,n,b\n" + "".join(
    f"{'abc'[i % 3] if i % 11 else 'NA'},{i % 4 / 2},{'TRUE' if i % 5 else 'FALSE'}\n"
    for i in range(100)
)


def test_pairs_are_counted_as_pandas_counts_them(reading: Any) -> None:
    table = reading.table(TEXT, columns={"y": {"type": "factor"}})
    frame = pd.DataFrame({name: table.strings(name) for name in ("y", "n", "b")})
    for column, by in (("y", "n"), ("n", "b"), ("b", "y"), ("y", "y")):
        expected = pd.crosstab(
            frame[column].fillna("?"), frame[by].fillna("?").rename("by"), dropna=False
        )
        found = cross_tab(table, column, by)
        assert len(found) == expected.size
        for level, other, n in found:
            assert n == expected.loc[level or "?", other or "?"], (level, other)
        assert sum(pair.n for pair in found) == 100


def test_levels_that_nobody_has_are_counted_too(reading: Any) -> None:
    declared = {"y": {"type": "factor", "levels": ["z", "c", "b", "a"]}}
    table = reading.table(TEXT, columns=declared)
    assert [(count.level, count.n) for count in tab(table, "y")] == [
        ("z", 0),
        ("c", 30),
        ("b", 30),
        ("a", 30),
        (None, 10),
    ]
    assert [count.level for count in tab(table, "n")] == ["0", "0.5", "1", "1.5"]


def test_too_many_pairs_are_refused(reading: Any) -> None:
    table = reading.table("a,b\n" + "".join(f"{i},{i}\n" for i in range(101)))
    with pytest.raises(InvalidSpec, match="at most 10,000 pairs"):
        cross_tab(table, "a", "b")
