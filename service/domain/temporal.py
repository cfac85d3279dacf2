"""Dates and times as text and as numbers, counted from 1970-01-01 as R counts them.

Times are UTC: one that names another offset is converted, one that names none is taken for UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The days and microseconds of the years 1 to 9999: beyond, there is no ISO 8601 without agreement.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
DAY_MICROSECONDS = 86_400_000_000

_DATE = re.compile(r"\d{4}([-/])\d{2}\1\d{2}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def days_of(text: str, form: str | None = None) -> int | None:
    """Return the days since 1970-01-01 of a date, or None when it is none.

    Args:
        text: "2020-01-31" or "2020/01/31", unless `form` says another one.
        form: strptime's, such as "%d.%m.%Y".
    """
    try:
        if form is not None:
            found = datetime.strptime(text, form).date()
        elif _DATE.fullmatch(text):
            found = date.fromisoformat(text.replace("/", "-"))
        else:
            return None
    except ValueError:
        return None
    return found.toordinal() - EPOCH.toordinal()


def microseconds_of(text: str, form: str | None = None) -> int | None:
    """Return the microseconds since 1970-01-01 UTC of a time, or None when it is none.

    Args:
        text: ISO 8601 such as "2020-01-31T12:00:00.5Z", seconds and offset optional, a blank for
            T; a date alone is its midnight. `form` may say another one.
        form: strptime's, such as "%d.%m.%Y %H:%M".
    """
    try:
        if form is not None:
            found = datetime.strptime(text, form)
        elif _TIME.fullmatch(text):
            found = datetime.fromisoformat(text)
        else:
            return None
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return (aware - EPOCH) // timedelta(microseconds=1)


def date_text(days: int) -> str:
    """Return a date as "2020-01-31", from its days since 1970-01-01."""
    return date.fromordinal(days + EPOCH.toordinal()).isoformat()


def time_text(microseconds: int) -> str:
    """Return a time as "2020-01-31T12:00:00Z", from its microseconds since 1970-01-01."""
    at = EPOCH + timedelta(microseconds=microseconds)
    return at.replace(tzinfo=None).isoformat() + "Z"
