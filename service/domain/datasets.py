"""A registered table and what is known of its columns, without its rows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.domain.errors import FieldError, InvalidSpec
from service.domain.names import Name, did_you_mean
from service.domain.schema import MAX_COLUMNS, ColumnName, Spec, Value

ColumnType = Literal[
    "numeric", "integer", "factor", "ordered", "logical", "date", "datetime", "text"
]
NUMERIC_TYPES: tuple[ColumnType, ...] = ("numeric", "integer")
NOMINAL_TYPES: tuple[ColumnType, ...] = ("factor", "ordered", "logical", "text")
# Neither numbers nor categories: a recipe's step makes some of them.
TEMPORAL_TYPES: tuple[ColumnType, ...] = ("date", "datetime")


class Column(Value):
    """One column's profile; moments are of the values that are not missing, `sd` with n-1.

    Of a date, `min` and `max` are days since 1970-01-01, of a datetime seconds, as R counts them.

    `levels` are a factor's levels in order; of a text or logical column, the distinct values
    sorted by code point when there are at most `MAX_LEVELS`, else None. `top_counts` are how often
    the most common value occurs and the next one, of the values that are not missing.
    """

    name: str
    type: ColumnType
    n_missing: int
    n_unique: int
    mean: float | None = None
    sd: float | None = None
    min: float | None = None
    max: float | None = None
    levels: tuple[str, ...] | None = None
    top_counts: tuple[int, int] = (0, 0)

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.type in NUMERIC_TYPES

    @property
    def is_temporal(self) -> bool:
        """Whether its values are dates or times."""
        return self.type in TEMPORAL_TYPES


MAX_LEVELS = 10_000
# The words for missing where an upload declares none.
DEFAULT_NA = ("", "NA")


class Dataset(Value):
    """A registered table: its identity and its profile. The rows lie in the storage by `sha256`."""

    id: str
    name: str
    n_rows: int
    n_columns: int
    sha256: str
    created_at: datetime
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """Return the profile of the column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def require(self, name: str, *loc: str | int) -> Column:
        """Return the profile of the column called `name`.

        Raises:
            InvalidSpec: no such column; the message names the nearest one.
        """
        column = self.column(name)
        if column is None:
            names = [known.name for known in self.columns]
            detail = (
                f"Expected a column of dataset '{self.name}'. Received '{name[:64]}'."
                f"{did_you_mean(name, names)}"
            )
            raise InvalidSpec(detail, errors=[FieldError(loc=loc, msg=detail, received=name[:64])])
        return column


class ColumnOptions(Spec):
    """How one column of an upload is to be read.

    `format` is strptime's, such as `%d.%m.%Y`, for dates and times that are not ISO 8601.
    """

    type: ColumnType
    levels: (
        Annotated[
            list[Annotated[str, Field(max_length=1024)]], Field(min_length=1, max_length=MAX_LEVELS)
        ]
        | None
    ) = None
    format: Annotated[str, Field(min_length=2, max_length=64)] | None = None


class ReadOptions(Spec):
    """How an upload is to be read; the defaults are readr's.

    `delim` is guessed from the header line when absent; `skip` counts lines before the header.
    An empty `quote` reads quotes as any other character.
    """

    columns: dict[ColumnName, ColumnOptions] = {}
    na: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] = [*DEFAULT_NA]
    delim: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    decimal: Literal[".", ","] = "."
    quote: Literal['"', "'", ""] = '"'
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    skip: int = Field(default=0, ge=0, le=1_000_000)


Builtin = Literal["digits", "iris", "wine", "breast_cancer", "diabetes", "mnist", "fashion_mnist"]


class BuiltinRequest(Spec):
    """A dataset that a library ships: scikit-learn's need no network, the MNIST sets do."""

    name: Name
    builtin: Builtin
    part: Literal["train", "test"] = "train"


class ReadLimits(Value):
    """What one upload may cost before it is refused; the upload's own bytes are counted elsewhere.

    `max_bytes` is of the table without compression, as text or as Arrow's buffers. `memory_bytes`
    is address space beyond what the files themselves take, `seconds` are of the wall clock.
    """

    max_rows: int = 50_000_000
    max_columns: int = MAX_COLUMNS
    max_bytes: int = 4 * 2**30
    memory_bytes: int = 4 * 2**30
    seconds: float = 900.0


FileFormat = Literal["csv", "csv.gz", "parquet", "arrow"]


class ReadColumn(Value):
    """How one column got its type: declared in `options`, the file's own, or guessed.

    `because` says which cell decided a guess, where one did.
    """

    name: str
    type: ColumnType
    how: Literal["declared", "guessed", "file"]
    because: str | None = None


class Reading(Value):
    """How an upload was read. `delim` to `skip` are None for a file that is no text.

    `na` are the words that were taken for missing; rows to predict are read with them, too.
    """

    format: FileFormat
    delim: str | None = None
    decimal: str | None = None
    quote: str | None = None
    encoding: str | None = None
    skip: int | None = None
    na: tuple[str, ...] = DEFAULT_NA
    columns: tuple[ReadColumn, ...] = ()


class Ingested(Value):
    """A canonical file in the storage: what registering a dataset needs to know of it.

    `path` is relative to the folder of datasets, `bytes` the file's size. `reading` is None for a
    table that was not uploaded.
    """

    sha256: str
    n_rows: int
    bytes: int
    columns: tuple[Column, ...]
    path: str
    reading: Reading | None = None
