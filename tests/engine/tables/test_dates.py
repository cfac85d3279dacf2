"""Dates and times: declared in text, typed in Parquet and Arrow, counted as R counts them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidSpec, UnreadableFile
from service.domain.temporal import (
    FIRST_DAY,
    LAST_DAY,
    date_text,
    days_of,
    microseconds_of,
    time_text,
)

TEXT = "d,t\n2020-02-29,2020-02-29 12:30\nNA,\n1969/12/31,1969-12-31T23:59:59.25+01:00\n"
DECLARED = {"d": {"type": "date"}, "t": {"type": "datetime"}}


def test_iso_dates_and_times_are_numbers_and_text_again(reading: Any) -> None:
    table = reading.table(TEXT, columns=DECLARED)
    assert dict(table.types) == {"d": "date", "t": "datetime"}
    # R: as.numeric(as.Date("2020-02-29")), as.numeric(as.POSIXct("...", tz = "UTC"))
    np.testing.assert_array_equal(table.numeric("d"), [18321, np.nan, -1])
    np.testing.assert_array_equal(table.numeric("t"), [1582979400, np.nan, -3600.75])
    assert table.records(1, 3) == [
        {"d": "2020-02-29", "t": "2020-02-29T12:30:00Z"},
        {"d": None, "t": None},
        {"d": "1969-12-31", "t": "1969-12-31T22:59:59.250000Z"},
    ]
    assert table.strings("d", np.array([2, 0])) == ["1969-12-31", "2020-02-29"]
    with pytest.raises(InvalidSpec, match="of categories"):
        table.codes("d")


def test_a_text_of_dates_stays_text_unless_declared(reading: Any) -> None:
    assert dict(reading.table(TEXT).types) == {"d": "text", "t": "text"}


def test_the_profile_of_dates_has_ends_and_no_mean(reading: Any) -> None:
    days, times = reading.ingest(TEXT, columns=DECLARED).columns
    assert (days.min, days.max, days.n_missing, days.n_unique) == (-1, 18321, 1, 2)
    assert (times.min, times.max) == (-3600.75, 1582979400)
    assert (days.mean, days.sd, days.levels, times.mean) == (None, None, None, None)


def test_a_format_is_strptimes(reading: Any) -> None:
    columns = {
        "d": {"type": "date", "format": "%d.%m.%Y"},
        "t": {"type": "datetime", "format": "%d.%m.%Y %H:%M"},
    }
    table = reading.table("d;t\n31.01.2020;31.01.2020 08:05\n", columns=columns)
    assert table.records(1, 1) == [{"d": "2020-01-31", "t": "2020-01-31T08:05:00Z"}]


@pytest.mark.parametrize(
    ("cell", "option", "says"),
    [
        ("2021-02-29", {"type": "date"}, "one such as 2020-01-31"),
        ("20210228", {"type": "date"}, "one such as 2020-01-31"),
        ("2021-W01-1", {"type": "date"}, "one such as 2020-01-31"),
        ("2021-02-28", {"type": "date", "format": "%d.%m.%Y"}, "the format '%d.%m.%Y'"),
        ("2021-02-28 25:00", {"type": "datetime"}, "one such as 2020-01-31T12:00:00Z"),
        ("0001-01-01T00:00+02:00", {"type": "datetime"}, "declared type is datetime"),
    ],
)
def test_what_is_no_date_is_named_with_its_row(
    reading: Any, cell: str, option: dict[str, Any], says: str
) -> None:
    form = option.get("format")
    good = "28.02.2020" if form else "2020-02-28"
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(f"d,x\n{good},1\n{cell},2\n", columns={"d": option})
    assert "Row 2, column 'd'" in caught.value.detail
    assert says in caught.value.detail
    assert repr(cell) in caught.value.detail


def test_a_format_is_for_dates_only(reading: Any) -> None:
    with pytest.raises(InvalidSpec, match="expected no format"):
        reading.ingest("d\n1\n", columns={"d": {"type": "numeric", "format": "%Y"}})


AT = datetime(2020, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (pa.array([18292, None], pa.int32()).view(pa.date32()), "date", "2020-01-31"),
        (pa.array([date(2020, 1, 31), None], pa.date64()), "date", "2020-01-31"),
        (pa.array([AT, None], pa.timestamp("s")), "datetime", "2020-01-31T12:00:00Z"),
        (pa.array([AT, None], pa.timestamp("ms")), "datetime", "2020-01-31T12:00:00.123000Z"),
        (pa.array([AT, None], pa.timestamp("ns")), "datetime", "2020-01-31T12:00:00.123456Z"),
        (
            pa.array([AT, None], pa.timestamp("us", tz="Europe/Vienna")),
            "datetime",
            "2020-01-31T12:00:00.123456Z",
        ),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_typed_dates_keep_their_meaning(reading: Any, values: Any, kind: str, shown: str) -> None:
    if pa.types.is_timestamp(values.type) and values.type.unit == "s":
        values = pa.array([int(AT.timestamp()), None], pa.timestamp("s"))
    if pa.types.is_timestamp(values.type) and values.type.unit == "ms":
        values = pa.array([int(AT.timestamp() * 1000), None], pa.timestamp("ms"))
    sink = io.BytesIO()
    pq.write_table(pa.table({"v": values}), sink)
    table = reading.table(sink.getvalue())
    assert table.types["v"] == kind
    assert [row["v"] for row in table.records(1, 2)] == [shown, None]


def test_a_time_before_1970_is_cut_downwards(reading: Any) -> None:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, pa.schema([("v", pa.timestamp("ns"))])) as writer:
        writer.write(pa.table({"v": pa.array([-1], pa.int64()).view(pa.timestamp("ns"))}))
    assert reading.table(sink.getvalue()).records(1, 1) == [{"v": "1969-12-31T23:59:59.999999Z"}]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_time_beyond_the_year_9999_is_refused(reading: Any, unit: str) -> None:
    sink = io.BytesIO()
    late = pa.array([0, 2**62], pa.int64()).view(pa.timestamp(unit))
    with pa.ipc.new_file(sink, pa.schema([("v", late.type)])) as writer:
        writer.write(pa.table({"v": late}))
    with pytest.raises(UnreadableFile, match=r"Row 2, column 'v'.*years 1 to 9999"):
        reading.ingest(sink.getvalue())


@given(days=st.integers(FIRST_DAY, LAST_DAY))
def test_a_day_is_the_same_day_again(days: int) -> None:
    assert days_of(date_text(days)) == days


@given(at=st.datetimes(timezones=st.just(UTC)), hours=st.integers(-12, 14))
def test_a_time_is_the_same_time_again_in_every_zone(at: datetime, hours: int) -> None:
    whole = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert microseconds_of(time_text(whole)) == whole
    if 1 < at.year < 9999:
        local = at.replace(tzinfo=None) + timedelta(hours=hours)
        text = f"{local.isoformat()}{hours:+03d}:00"
        assert microseconds_of(text) == whole
