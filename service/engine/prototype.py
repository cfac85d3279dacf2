"""What one row of a prediction request looks like: JSON Schema with an example."""

from __future__ import annotations

import math
from typing import Any

from service.domain.datasets import Column
from service.domain.temporal import date_text, time_text
from service.engine.prediction_columns import InputColumns


def prototype(inputs: InputColumns, title: str = "One row to predict") -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one prediction row.

    It names the columns that the model reads, in order, all of them required; others may be there
    and are ignored. `examples` holds one row made of the training profile: near the mean of each
    numeric column, whole where all of training was whole, the first level of a nominal one, and the
    earliest date.

    Args:
        inputs: the columns that the model reads.
        title: the schema's title.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {
            column.name: _property(column, is_open=column.name in inputs.open)
            for column in inputs.columns
        },
        "required": list(inputs.names),
        "additionalProperties": True,
        "examples": [{column.name: _example(column) for column in inputs.columns}],
    }


def _property(column: Column, *, is_open: bool) -> dict[str, Any]:
    if column.is_numeric:
        schema: dict[str, Any] = {"type": "number"}
        if column.min is not None and column.max is not None:
            schema["description"] = f"{column.min:.6g} to {column.max:.6g} in training"
        return schema
    if column.type == "logical":
        return {"type": "boolean"}
    if column.is_temporal:
        return {"type": "string", "format": "date" if column.type == "date" else "date-time"}
    if is_open:
        # Other levels may come: the recipe has a place for them.
        return {"type": "string", "examples": list(column.levels or ())}
    return {"type": "string", "enum": list(column.levels or ())}


def _example(column: Column) -> float | str | bool:
    if column.is_temporal:
        earliest = column.min or 0.0
        if column.type == "date":
            return date_text(int(earliest))
        return time_text(int(earliest * 1e6))
    if not column.is_numeric:
        first = (column.levels or ("",))[0]
        return first == "TRUE" if column.type == "logical" else first
    mean, low, high = column.mean, column.min, column.max
    if mean is None or low is None or high is None:
        return 0.0
    if low.is_integer() and high.is_integer():
        return float(round(mean))
    # Three digits are enough to look at, but must not leave the range.
    digits = 2 - math.floor(math.log10(abs(mean))) if mean else 0
    return min(max(round(mean, digits), low), high)
