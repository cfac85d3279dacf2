"""Column types that hold on every database what the domain means by a text or a time."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from service.store.encoding import require_storable

# SQLite numbers its rows itself only in a column declared INTEGER, which holds 64 bits anyway.
Whole = BigInteger().with_variant(Integer(), "sqlite")


class StorableText(TypeDecorator[str]):
    """Text without NUL and without lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else require_storable(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite's text has no zone and is read back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"Expected a time with its zone. Received {value!r}.")
        return value.astimezone(UTC)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
