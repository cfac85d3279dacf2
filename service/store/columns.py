"""Columns that hold on every database what the domain means by a text, a time or a number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Integer, MetaData, Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from service.store.encoding import require_storable

# SQLite numbers its rows itself only in a column declared INTEGER, which holds 64 bits anyway.
Whole = BigInteger().with_variant(Integer(), "sqlite")


# Sorted and compared by code point everywhere, whatever language a server was installed in.
ByteText = Text().with_variant(Text(collation="C"), "postgresql")


class StorableText(TypeDecorator[str]):
    """Text without NUL and without lone surrogates."""

    impl = ByteText
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


class Table(DeclarativeBase):
    """Every constraint has a name, so that a migration can find it again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (read once, by the declarative machinery)
        str: StorableText(),
        int: Whole,
        float: Double(),
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }
