"""What a model must be given, and the rows of one request as columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import NOMINAL_TYPES, NUMERIC_TYPES, Column, ColumnType
from service.domain.errors import FieldError, InvalidData
from service.domain.names import nearest
from service.engine.recipe import Rows

Taker: TypeAlias = Callable[[Sequence[Any]], tuple[Any, ...]]
Layout = Literal["rows", "columns"]


@dataclass(frozen=True, kw_only=True)
class InputColumns:
    """The raw columns that a model reads, in order, and the words that mean missing in a CSV.

    `columns` are of the training profile; the levels of a nominal one are those that the recipe
    was fitted on. Other columns of new data are ignored. `open` names those in which the recipe
    knows what to do with a level that is none of these.
    """

    columns: tuple[Column, ...]
    na: tuple[str, ...]
    open: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def numeric_names(self) -> tuple[str, ...]:
        """The names of the columns that are held as numbers, dates among them, in order."""
        return tuple(column.name for column in self.columns if not is_nominal(column))

    @cached_property
    def nominal(self) -> tuple[tuple[int, Column], ...]:
        """The columns of categories, each with its place, in order."""
        return tuple((at, each) for at, each in enumerate(self.columns) if is_nominal(each))

    @cached_property
    def are_numbers(self) -> bool:
        """Whether every column holds numbers."""
        return all(each.is_numeric for each in self.columns)

    @cached_property
    def takers(self) -> dict[tuple[str, ...], Taker]:
        """What takes the cells of these columns out of a row, by the columns that a row has.

        To be filled by who reads rows: finding the places takes longer than a prediction.
        """
        return {}

    def check(self, types: Mapping[str, ColumnType]) -> None:
        """Compare with the columns of some data.

        Raises:
            InvalidData: a column is missing (the nearest name is told), or holds categories where
                the model reads numbers, or the other way round.
        """
        absent = absent_column(self, types)
        if absent:
            raise absent
        for column in self.columns:
            kind = types[column.name]
            if kind not in _wanted(column)[1]:
                raise wrong_type(column, kind)


@dataclass(frozen=True, kw_only=True)
class PredictionRows:
    """Rows of a request as a `ColumnSource`: one float64 matrix and codes of the nominal columns.

    The matrix's columns are `inputs.numeric_names`. `layout` is how the request was written and
    its answer should be. What the methods return must not be written into.
    """

    inputs: InputColumns
    layout: Layout
    numbers: NDArray[np.float64]
    nominal: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.numbers)

    @property
    def types(self) -> Mapping[str, ColumnType]:
        """The types of the columns that the model reads, by name, in order."""
        return {column.name: column.type for column in self.inputs.columns}

    def matrix(self, names: Sequence[str], rows: slice) -> NDArray[np.float64]:
        """Return numeric columns side by side, float64 (rows, names), NaN where missing."""
        known = self.inputs.numeric_names
        if tuple(names) == known:
            return self.numbers[rows]
        place = {name: index for index, name in enumerate(known)}
        return self.numbers[rows, [place[name] for name in names]]

    def numeric(self, name: str, rows: Rows = None) -> NDArray[np.float64]:
        """Return the numbers of a column, float64 (rows,), NaN where missing."""
        column = self.numbers[:, self.inputs.numeric_names.index(name)]
        return column if rows is None else column[rows]

    def codes(self, name: str, rows: Rows = None) -> NDArray[np.int32]:
        """Return the 0-based levels of a nominal column, int32 (rows,), -1 where missing.

        -2 stands for a level that is none of them, in a column of `inputs.open`.
        """
        column = self.nominal[name]
        return column if rows is None else column[rows]

    def category_levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` counts: those of the training rows."""
        column = next(column for column in self.inputs.columns if column.name == name)
        return column.levels or ()


def is_nominal(column: Column) -> bool:
    """Return whether a column's values are categories."""
    return column.type in NOMINAL_TYPES


def wrong_type(column: Column, received: str) -> InvalidData:
    """Return the error for a column of a type that the model's recipe does not read."""
    detail = (
        f"Expected {_wanted(column)[0]} in column '{column.name}', as in training. Received a "
        f"column of type {received[:64]}."
    )
    return InvalidData(
        detail, errors=[FieldError(loc=(column.name,), msg=detail, received=received[:64])]
    )


def _wanted(column: Column) -> tuple[str, tuple[ColumnType, ...]]:
    """Return in words what a column should hold, and the types that do."""
    if column.is_numeric:
        # A logical column may be read as 0 and 1.
        return "numbers", (*NUMERIC_TYPES, "logical")
    if column.is_temporal:
        return f"{column.type}s", (column.type,)
    return "categories", NOMINAL_TYPES


def absent_column(
    inputs: InputColumns, received: Collection[str], where: str = ""
) -> InvalidData | None:
    """Return the error for columns that are not among those received, None if all are.

    It tells the nearest of the received names that no other column has.
    """
    absent = [name for name in inputs.names if name not in received]
    if not absent:
        return None
    first = shown(absent[0])
    near = nearest(absent[0], [name for name in received if name not in inputs.names])
    detail = f"Expected a column '{first}'{where}. Received none of this name"
    detail += f"; nearest is '{shown(near)}'." if near else "."
    if len(absent) > 1:
        others = ", ".join(f"'{shown(name)}'" for name in absent[1:4])
        more = ", ..." if len(absent) > 4 else ""
        detail += f" As many as {len(absent)} are missing, also {others}{more}."
    return InvalidData(detail, errors=[FieldError(loc=(first,), msg=detail)])


def shown(value: object) -> str:
    """Return a value of a request as a message may hold it: short and encodable.

    JSON allows lone surrogates in strings, which no answer can be encoded with, and integers of
    more digits than Python will write.
    """
    if isinstance(value, int) and value.bit_length() > 10_000:
        return "an integer of thousands of digits"
    return str(value)[:64].encode("utf-8", "replace").decode()
