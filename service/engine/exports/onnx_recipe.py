"""A model's operations before the network as ONNX nodes, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from service.engine.exports.onnx_nodes import Nodes
from service.engine.exports.portable import Arrays, Operation, Portable
from service.engine.prediction_columns import is_nominal

_NEAR_ZERO = 0.001


def baked(nodes: Nodes, model: Portable, numbers: str | None) -> str:
    """Add the recipe and return its result, the network's predictors, float64 (rows, outputs).

    Args:
        nodes: where to add it.
        model: the model.
        numbers: the raw columns of numbers side by side, in order; None where there are none.
    """
    rows = _Rows(nodes, model, numbers)
    for operation in model.operations:
        rows.apply(operation)
    return rows.columns(model.outputs)


class _Rows:
    """All columns of numbers so far as one matrix, and where each is; a dropped one just stays."""

    def __init__(self, nodes: Nodes, model: Portable, numbers: str | None) -> None:
        self._nodes = nodes
        self._model = model
        self._x = numbers
        names = [column.name for column in model.inputs.columns if not is_nominal(column)]
        self._place = {name: at for at, name in enumerate(names)}
        self._width = len(names)
        self._codes: dict[str, str] = {}

    def columns(self, names: tuple[str, ...]) -> str:
        assert self._x is not None, "an operation reads columns that are there"
        places = [self._place[name] for name in names]
        if places == list(range(self._width)):
            return self._x
        return self._nodes.chosen(self._x, places)

    def apply(self, operation: Operation) -> None:
        given, nodes = operation.arrays, self._nodes
        match operation.op:
            case "lookup":
                (factor,) = operation.columns
                new = nodes.add(
                    "Gather", nodes.constant(given["table"]), self._code(factor), axis=0
                )
            case "ratio":
                above, below = self.columns(operation.columns), self.columns(operation.below)
                new = nodes.add("Div", above, below)
            case "product":
                x = self.columns(operation.columns)
                new = nodes.add("MatMul", x, nodes.constant(given["rotation"]))
            case _:
                new = _IN_PLACE[operation.op](nodes, self.columns(operation.columns), given)
        self._put(operation.made or operation.columns, new)

    def _put(self, names: tuple[str, ...], new: str) -> None:
        """Put columns behind the others; what had one of their names is read no more."""
        if self._x is None or [self._place.get(name) for name in names] == list(range(self._width)):
            self._x, self._width = new, len(names)
            self._place = {name: at for at, name in enumerate(names)}
            return
        self._x = self._nodes.add("Concat", self._x, new, axis=1)
        for at, name in enumerate(names):
            self._place[name] = self._width + at
        self._width += len(names)

    def _code(self, factor: str) -> str:
        """Add a factor's codes, int64 (rows,): 0 for a new level, 1 where missing, then levels."""
        if factor not in self._codes:
            nodes, inputs = self._nodes, self._model.inputs
            column = next(column for column in inputs.columns if column.name == factor)
            levels = list(column.levels or ())
            missing = [word for word in inputs.na if word not in levels]
            codes = nodes.add(
                "LabelEncoder",
                factor,
                domain="ai.onnx.ml",
                keys_strings=[*levels, *missing],
                values_int64s=[*range(2, len(levels) + 2), *(1 for _ in missing)],
                default_int64=0,
            )
            self._codes[factor] = nodes.add("Reshape", codes, nodes.constant([-1], np.int64))
        return self._codes[factor]


def _affine(nodes: Nodes, x: str, given: Arrays) -> str:
    for operator, name, neutral in (
        ("Sub", "centre", 0.0),
        ("Mul", "times", 1.0),
        ("Div", "divisor", 1.0),
        ("Add", "plus", 0.0),
    ):
        if (given[name] != neutral).any():
            x = nodes.add(operator, x, nodes.constant(given[name]))
    return x


def _clip(nodes: Nodes, x: str, given: Arrays) -> str:
    low = nodes.add("Max", x, nodes.constant(given["low"]))
    return _where_there(nodes, x, nodes.add("Min", low, nodes.constant(given["high"])))


def _fill(nodes: Nodes, x: str, given: Arrays) -> str:
    return nodes.where(nodes.add("IsNaN", x), nodes.constant(given["values"]), x)


def _box_cox(nodes: Nodes, x: str, given: Arrays) -> str:
    below = nodes.add("Less", x, nodes.constant(0.0))
    return _curve(nodes, nodes.where(below, nodes.constant(np.nan), x), given["powers"])


def _yeo_johnson(nodes: Nodes, x: str, given: Arrays) -> str:
    zero, one = nodes.constant(0.0), nodes.constant(1.0)
    up = nodes.add("Add", nodes.add("Max", x, zero), one)
    down = nodes.add("Sub", one, nodes.add("Min", x, zero))
    high = _curve(nodes, up, given["powers"])
    low = nodes.add("Neg", _curve(nodes, down, 2 - given["powers"]))
    return _where_there(nodes, x, nodes.where(nodes.add("Less", x, zero), low, high))


def _curve(nodes: Nodes, x: str, powers: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """Add `(x^power - 1) / power`, the logarithm where the power is 0."""
    is_log = np.abs(powers) < _NEAR_ZERO
    if is_log.all():
        return nodes.add("Log", x)
    safe = nodes.constant(np.where(is_log, 1.0, powers))
    less = nodes.add("Sub", nodes.add("Pow", x, safe), nodes.constant(1.0))
    curve = nodes.add("Div", less, safe)
    if not is_log.any():
        return curve
    return nodes.where(nodes.constant(is_log, np.bool_), nodes.add("Log", x), curve)


def _where_there(nodes: Nodes, x: str, value: str) -> str:
    """Add a value that is missing where x is; what a minimum makes of NaN is the runtime's."""
    return nodes.where(nodes.add("IsNaN", x), x, value)


_IN_PLACE: Mapping[str, Callable[[Nodes, str, Arrays], str]] = {
    "affine": _affine,
    "clip": _clip,
    "fill": _fill,
    "box_cox": _box_cox,
    "yeo_johnson": _yeo_johnson,
}
