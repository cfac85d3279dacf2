"""A model as an ONNX file, recipe included, with the tensors that `/v2` takes and gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from service.domain.errors import NotExportable
from service.engine.exports.onnx_nodes import DOUBLE, FLOAT, STRING, Nodes, owned
from service.engine.exports.onnx_recipe import baked
from service.engine.exports.portable import Portable
from service.engine.prediction_columns import is_nominal
from service.engine.prediction_tensors import MATRIX, TEXT, tensor_inputs

# Of 2022: runtimes that people have read them. The file says which it needs.
OPSET = 17
ML_OPSET = 3
IR_VERSION = 8
_ROWS = "rows"


def onnx_model(model: Portable, title: str) -> bytes:
    """Return an ONNX file that takes raw predictors.

    Inputs: where all columns are numbers, `input`, double (rows, columns) in their order; else one
    a column, (rows, 1), double or text. NaN is missing, of text a word of the training data's `na`.
    Outputs: `class`, text (rows,), and `prob`, float (rows, levels); or `numeric`, float (rows,
    outcomes). A graph can refuse nothing: a row that the model would refuse, for a missing value or
    a new level, has NaN in each of them and an empty class.

    Args:
        model: what to give.
        title: the model's name and version, for the reader.

    Raises:
        NotExportable: a column has the name of an output.
    """
    nodes = Nodes()
    shapes = tensor_inputs(model.inputs)
    outputs = ("numeric",) if model.levels is None else ("class", "prob")
    taken = [shape.name for shape in shapes if shape.name in outputs or owned(shape.name)]
    if taken:
        raise NotExportable(
            f"Expected columns with names other than the outputs {' and '.join(outputs)}. Received "
            f"'{taken[0]}', which an ONNX file cannot have twice. The format 'bundle' can."
        )
    inputs = [
        helper.make_tensor_value_info(
            shape.name, STRING if shape.datatype == TEXT else DOUBLE, [_ROWS, *shape.shape[1:]]
        )
        for shape in shapes
    ]
    x = nodes.add("Cast", baked(nodes, model, _numbers(nodes, model)), to=FLOAT)
    not_finite = nodes.add("Or", nodes.add("IsNaN", x), nodes.add("IsInf", x))
    output = _network(nodes, model, x)
    # What an activation makes of NaN is the runtime's; so it is put back behind the network.
    nan = nodes.constant(np.nan, np.float32)
    infos = []
    if model.levels is None:
        nodes.add("Where", _any(nodes, not_finite), nan, output, named="numeric")
        infos.append(_output("numeric", FLOAT, _ROWS, len(model.outcomes)))
    else:
        prob = nodes.add("Where", _any(nodes, not_finite), nan, output, named="prob")
        _classes(nodes, prob, model.levels)
        infos.append(_output("class", STRING, _ROWS))
        infos.append(_output("prob", FLOAT, _ROWS, len(model.levels)))
    graph = helper.make_graph(nodes.nodes, "mlp", inputs, infos, initializer=nodes.constants)
    made = helper.make_model(
        graph,
        producer_name="fitpoint",
        doc_string=title,
        ir_version=IR_VERSION,
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ],
    )
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def feeds(model: Portable, cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return rows as the file's inputs, None being missing; a text that is missing is a word."""
    columns = model.inputs.columns
    shapes = tensor_inputs(model.inputs)
    if [shape.name for shape in shapes] == [MATRIX] and not any(map(is_nominal, columns)):
        found = [np.array(cells[column.name], dtype=np.float64) for column in columns]
        return {MATRIX: np.stack(found, axis=1)}
    told: dict[str, Any] = {}
    for column in columns:
        if is_nominal(column):
            words = [word for word in model.inputs.na if word not in (column.levels or ())]
            # Without such a word a missing text cannot be sent; it reads as a new level then.
            word = words[0] if words else ""
            values = [word if cell is None else cell for cell in cells[column.name]]
            told[column.name] = np.array(values, dtype=object).reshape(-1, 1)
        else:
            told[column.name] = np.array(cells[column.name], dtype=np.float64).reshape(-1, 1)
    return told


def _output(name: str, kind: int, *shape: str | int) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def _numbers(nodes: Nodes, model: Portable) -> str | None:
    names = [column.name for column in model.inputs.columns if not is_nominal(column)]
    if len(names) == len(model.inputs.columns):
        return MATRIX
    if len(names) < 2:
        return names[0] if names else None
    return nodes.add("Concat", *names, axis=1)


def _network(nodes: Nodes, model: Portable, x: str) -> str:
    last = len(model.weights) // 2 - 1
    for layer in range(last + 1):
        kernel, bias = model.weights[2 * layer], model.weights[2 * layer + 1]
        x = nodes.add(
            "Gemm", x, nodes.constant(kernel, np.float32), nodes.constant(bias, np.float32)
        )
        activation = model.activation if layer < last else model.output_activation
        x = _ACTIVATIONS[activation](nodes, x)
    return x


def _any(nodes: Nodes, marks: str) -> str:
    """Add whether any column of a row is marked, bool (rows, 1)."""
    largest = nodes.add("ReduceMax", nodes.add("Cast", marks, to=FLOAT), axes=[1], keepdims=1)
    return nodes.add("Greater", largest, nodes.constant(0.5, np.float32))


def _classes(nodes: Nodes, prob: str, levels: Sequence[str]) -> None:
    best = nodes.add("ArgMax", prob, axis=1, keepdims=1)
    none = nodes.constant(len(levels), np.int64)
    best = nodes.where(_any(nodes, nodes.add("IsNaN", prob)), none, best)
    flat = nodes.add("Reshape", best, nodes.constant([-1], np.int64))
    nodes.add("Gather", nodes.texts([*levels, ""]), flat, axis=0, named="class")


def _gelu(nodes: Nodes, x: str) -> str:
    erf = nodes.add("Erf", nodes.add("Mul", x, nodes.constant(math.sqrt(0.5), np.float32)))
    half = nodes.add("Mul", x, nodes.constant(0.5, np.float32))
    return nodes.add("Mul", half, nodes.add("Add", erf, nodes.constant(1.0, np.float32)))


def _of(operator: str, **attributes: Any) -> Callable[[Nodes, str], str]:
    return lambda nodes, x: nodes.add(operator, x, **attributes)


_ACTIVATIONS: Mapping[str, Callable[[Nodes, str], str]] = {
    "linear": lambda _, x: x,
    "softmax": _of("Softmax", axis=-1),
    "relu": _of("Relu"),
    "elu": _of("Elu", alpha=1.0),
    "exponential": _of("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _of("HardSigmoid", alpha=1 / 6, beta=0.5),
    "selu": _of("Selu"),
    "sigmoid": _of("Sigmoid"),
    "softplus": _of("Softplus"),
    "softsign": _of("Softsign"),
    "swish": lambda nodes, x: nodes.add("Mul", x, nodes.add("Sigmoid", x)),
    "tanh": _of("Tanh"),
}
