"""The rows of a prediction request sent as JSON: two shapes, strictly read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from service.domain.errors import FieldError, InvalidData
from service.domain.names import did_you_mean
from service.engine.prediction_cells import split
from service.engine.prediction_columns import (
    InputColumns,
    PredictionRows,
    Taker,
    absent_column,
    shown,
)

# Orders of columns that are remembered for a model.
MOST_TAKERS = 32
SHAPES = 'Send {"rows": [{"x1": 0.5, "x2": 1}]} or {"columns": ["x1", "x2"], "data": [[0.5, 1]]}.'


def from_json(body: object, inputs: InputColumns) -> PredictionRows:
    """Return the rows of a body `{"rows": [...]}` or `{"columns": [...], "data": [[...]]}`.

    Only the columns that the model reads are converted; others are ignored. null is missing. What
    is missing is refused by the predictor, unless the recipe fills it in.

    Args:
        body: the JSON value.
        inputs: the columns that the model reads.

    Raises:
        InvalidData: another shape, a column missing, a cell of another type; row and column are
            named, rows from 1.
    """
    if not isinstance(body, dict):
        raise _refused(f"Expected an object. Received {_kind(body)}. {SHAPES}")
    keys = set(body)
    if keys == {"rows"}:
        return _of_rows(_listed(body, "rows"), inputs)
    if keys == {"columns", "data"}:
        return _of_columns(_listed(body, "columns"), _listed(body, "data"), inputs)
    if keys == {"columns", "data", "index"}:
        raise _refused(
            "Expected the members 'columns' and 'data'. Received also 'index', which "
            'pandas\' to_dict("split") adds. Use to_dict("split", index=False).',
            "index",
        )
    extra = sorted(keys - {"rows", "columns", "data"})
    if extra:
        near = did_you_mean(shown(extra[0]), ("rows", "columns", "data"))
        raise _refused(
            f"Expected 'rows', or 'columns' and 'data'. Received '{shown(extra[0])}'.{near} "
            f"{SHAPES}",
            shown(extra[0]),
        )
    found = " and ".join(f"'{key}'" for key in sorted(keys)) or "an empty object"
    raise _refused(f"Expected 'rows', or 'columns' and 'data'. Received {found}. {SHAPES}")


def _of_rows(rows: Sequence[Any], inputs: InputColumns) -> PredictionRows:
    names = inputs.names
    take = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
    cells = []
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _refused(
                f"Expected an object in row {at + 1}. Received {_kind(row)}. {SHAPES}", "rows", at
            )
        try:
            cells.append(take(row))
        except KeyError:
            absent = absent_column(inputs, row, f" in row {at + 1}")
            raise absent or AssertionError("a key that is there was not found") from None
    numbers, nominal = split(cells, inputs, "rows")
    return PredictionRows(inputs=inputs, layout="rows", numbers=numbers, nominal=nominal)


def _of_columns(
    columns: Sequence[Any], data: Sequence[Any], inputs: InputColumns
) -> PredictionRows:
    if not set(map(type, columns)) <= {str}:
        strange = next(at for at, name in enumerate(columns) if type(name) is not str)
        received = _kind(columns[strange])
        raise _refused(f"Expected names in 'columns'. Received {received}.", "columns", strange)
    take = _taker(columns, inputs)
    cells = []
    for at, row in enumerate(data):
        if not isinstance(row, list):
            raise _refused(
                f"Expected a list in row {at + 1} of 'data'. Received {_kind(row)}. {SHAPES}",
                "data",
                at,
            )
        if len(row) != len(columns):
            raise _refused(
                f"Expected {len(columns)} values, one a column, in row {at + 1}. "
                f"Received {len(row)}.",
                "data",
                at,
            )
        cells.append(take(row))
    numbers, nominal = split(cells, inputs, "data")
    return PredictionRows(inputs=inputs, layout="columns", numbers=numbers, nominal=nominal)


def _taker(columns: Sequence[str], inputs: InputColumns) -> Taker:
    """Return what takes the cells that a model reads out of a row; clients ask in one order.

    Raises:
        InvalidData: a column is missing or there twice.
    """
    key = tuple(columns)
    if (known := inputs.takers.get(key)) is not None:
        return known
    place: dict[str, int] = {}
    for at, name in enumerate(columns):
        if name in place:
            raise _refused(
                f"Expected each column once. Received '{shown(name)}' twice.", "columns", at
            )
        place[name] = at
    absent = absent_column(inputs, place)
    if absent:
        raise absent
    places = [place[name] for name in inputs.names]
    take: Taker = itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)
    if len(inputs.takers) >= MOST_TAKERS:
        inputs.takers.clear()
    inputs.takers[key] = take
    return take


def _listed(body: Mapping[str, Any], key: str) -> list[Any]:
    value = body[key]
    if not isinstance(value, list):
        raise _refused(f"Expected a list in '{key}'. Received {_kind(value)}. {SHAPES}", key)
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return "a list"
        case dict():
            return "an object"
        case str():
            return f"the text '{shown(value)}'"
        case _:
            return "a number"


def _refused(detail: str, *loc: str | int) -> InvalidData:
    return InvalidData(detail, errors=[FieldError(loc=loc, msg=detail)] if loc else ())
