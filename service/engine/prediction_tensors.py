"""The Open Inference Protocol's tensors: what a model takes and gives, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import Column
from service.domain.errors import FieldError, InvalidData
from service.domain.names import did_you_mean
from service.engine.prediction_answers import Kind
from service.engine.prediction_cells import codes, moments, not_a_number
from service.engine.prediction_columns import (
    InputColumns,
    PredictionRows,
    absent_column,
    is_nominal,
    shown,
)
from service.engine.predictor import Output

# The one input of a model that reads numbers alone.
MATRIX = "input"
TEXT = "BYTES"
BOOLEAN = "BOOL"
NUMBERS: Mapping[str, np.dtype[Any]] = {
    "FP64": np.dtype("<f8"),
    "FP32": np.dtype("<f4"),
    "FP16": np.dtype("<f2"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """A named array: numbers and booleans as numpy has them, text as an object array of `str`."""

    name: str
    datatype: str
    values: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TensorShape:
    """What the metadata says of an input or an output; -1 stands for any number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def tensor_inputs(inputs: InputColumns) -> tuple[TensorShape, ...]:
    """Return what a model takes: one matrix where all is numbers, else one tensor a column."""
    if inputs.are_numbers:
        return (TensorShape(name=MATRIX, datatype="FP64", shape=(-1, len(inputs.columns))),)
    return tuple(
        TensorShape(name=each.name, datatype=_datatype(each), shape=(-1, 1))
        for each in inputs.columns
    )


def tensor_outputs(
    kinds: Sequence[Kind], levels: Sequence[str] | None, outcomes: Sequence[str]
) -> tuple[TensorShape, ...]:
    """Return what a model gives: `class` (-1,), the others (-1, columns)."""
    width = len(levels) if levels is not None else len(outcomes)
    return tuple(
        TensorShape(name=kind, datatype=TEXT, shape=(-1,))
        if kind == "class"
        else TensorShape(name=kind, datatype="FP32", shape=(-1, width))
        for kind in kinds
    )


def from_tensors(tensors: Sequence[Tensor], inputs: InputColumns) -> PredictionRows:
    """Return the rows that a request's tensors hold.

    Where the model reads numbers alone: `input`, (rows, columns) in the model's order, or one
    tensor a column. Else one tensor a column, (rows,) or (rows, 1): numbers as any type of number,
    categories and dates as BYTES (a word of the training data's `na` is missing), TRUE and FALSE as
    BOOL too. NaN is missing. Tensors of columns that the model does not read are ignored.

    Raises:
        InvalidData: a tensor is missing, of another type or shape, or holds what the model was not
            trained on; it is named.
    """
    named = {each.name: each for each in tensors}
    if len(named) < len(tensors):
        raise _refused("Expected each input once. Received one twice.")
    if inputs.are_numbers and MATRIX in named and MATRIX not in inputs.names:
        return _rows(inputs, _matrix(named[MATRIX], inputs), {})
    absent = absent_column(inputs, named)
    if absent:
        if inputs.are_numbers:
            raise _refused(
                f"Expected one input '{MATRIX}' of the shape [rows, {len(inputs.columns)}], or one "
                f"input a column. {absent.detail}"
            )
        raise absent
    own = {each.name: _column(named[each.name]) for each in inputs.columns}
    n_rows = len(next(iter(own.values()))) if own else 0
    for name, values in own.items():
        if len(values) != n_rows:
            raise _refused(
                f"Expected as many rows in every input. Received {n_rows} in "
                f"'{shown(inputs.names[0])}' and {len(values)} in '{shown(name)}'.",
                name,
            )
    coded: dict[str, NDArray[np.int32]] = {}
    numbers = np.empty((n_rows, len(inputs.numeric_names)))
    for column in inputs.columns:
        values, datatype = own[column.name], named[column.name].datatype
        if is_nominal(column):
            coded[column.name] = codes(
                _cells(values, column, inputs),
                column,
                "inputs",
                is_open=column.name in inputs.open,
            )
            continue
        place = inputs.numeric_names.index(column.name)
        if column.is_temporal:
            _require(datatype == TEXT, column.name, "BYTES such as 2020-01-31", datatype)
            numbers[:, place] = moments(_cells(values, column, inputs), column, "inputs")
        else:
            _require(datatype in NUMBERS, column.name, "numbers", datatype)
            numbers[:, place] = values
    _refuse_infinite(numbers, inputs.numeric_names)
    return _rows(inputs, numbers, coded)


def to_tensors(output: Output, kinds: Sequence[Kind]) -> tuple[Tensor, ...]:
    """Return a model's answer as tensors named as the kinds; a class that is none is empty text."""
    found = []
    for kind in kinds:
        if kind == "class":
            names = np.array([*(output.levels or ()), ""], dtype=object)
            found.append(Tensor(name=kind, datatype=TEXT, values=names[output.codes]))
        else:
            found.append(Tensor(name=kind, datatype="FP32", values=output.raw))
    return tuple(found)


def _datatype(column: Column) -> str:
    return "FP64" if column.is_numeric else TEXT


def _rows(
    inputs: InputColumns, numbers: NDArray[np.float64], coded: Mapping[str, NDArray[np.int32]]
) -> PredictionRows:
    return PredictionRows(inputs=inputs, layout="columns", numbers=numbers, nominal=coded)


def _matrix(tensor: Tensor, inputs: InputColumns) -> NDArray[np.float64]:
    width = len(inputs.columns)
    _require(tensor.datatype in NUMBERS, tensor.name, "numbers", tensor.datatype)
    if tensor.values.ndim != 2 or tensor.values.shape[1] != width:
        raise _refused(
            f"Expected the shape [rows, {width}] of input '{MATRIX}': the columns of the model's "
            f"prototype, in order. Received {list(tensor.values.shape)}.",
            MATRIX,
        )
    numbers = np.asarray(tensor.values, dtype=np.float64)
    _refuse_infinite(numbers, inputs.names)
    return numbers


def _column(tensor: Tensor) -> NDArray[Any]:
    shape = tensor.values.shape
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1):
        return tensor.values.reshape(-1)
    raise _refused(
        f"Expected the shape [rows] or [rows, 1] of input '{shown(tensor.name)}'. "
        f"Received {list(shape)}.",
        tensor.name,
    )


def _cells(values: NDArray[Any], column: Column, inputs: InputColumns) -> list[Any]:
    """Return the cells of a column of categories or dates, None where one is missing."""
    missing = set(inputs.na) - set(column.levels or ())
    return [
        None if cell != cell or (isinstance(cell, str) and cell in missing) else cell
        for cell in values.tolist()
    ]


def _refuse_infinite(numbers: NDArray[np.float64], names: Sequence[str]) -> None:
    if np.isinf(numbers).any():
        row, place = np.argwhere(np.isinf(numbers))[0].tolist()
        cell, name = float(numbers[row, place]), names[place]
        raise not_a_number(row, name, cell, ("inputs", row, shown(name)))


def _require(holds: bool, name: str, expected: str, datatype: str) -> None:
    if not holds:
        near = did_you_mean(shown(datatype), (*NUMBERS, TEXT))
        raise _refused(
            f"Expected {expected} in input '{shown(name)}'. Received the datatype "
            f"'{shown(datatype)}'.{near}",
            name,
        )


def _refused(detail: str, *place: str) -> InvalidData:
    loc = ("inputs", *map(shown, place))
    return InvalidData(detail, errors=[FieldError(loc=loc, msg=detail)])
