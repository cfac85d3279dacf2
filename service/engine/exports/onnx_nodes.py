"""An ONNX graph that is being written: nodes and constants, named as they come."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

# A column may have any name; none begins so.
_OWN = "fitpoint:"
FLOAT = TensorProto.FLOAT
DOUBLE = TensorProto.DOUBLE
INT64 = TensorProto.INT64
STRING = TensorProto.STRING


class Nodes:
    """Nodes in the order in which they run, and the constants that they read."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """Keep an array as a constant and return its name."""
        name = f"{_OWN}constant_{len(self.constants) + 1}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def texts(self, values: list[str]) -> str:
        """Keep texts as a constant, (values,), and return its name."""
        return self.constant(values, np.object_)

    def add(self, operator: str, *inputs: str, named: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        output = named or f"{_OWN}{operator}_{len(self.nodes) + 1}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def chosen(self, x: str, columns: list[int]) -> str:
        """Add the choice of some columns of a matrix, in an order."""
        return self.add("Gather", x, self.constant(columns, np.int64), axis=1)

    def where(self, condition: str, then: str, otherwise: str) -> str:
        """Add `then` where a condition holds, else `otherwise`."""
        return self.add("Where", condition, then, otherwise)


def owned(name: str) -> bool:
    """Return whether a column's name is one that this file gives."""
    return name.startswith(_OWN)
