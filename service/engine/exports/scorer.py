"""Predicts with a model of Fitpoint, recipe included. Needs Python 3.9 or newer and numpy.

    python scorer.py rows.csv > predictions.csv

or, from Python:

    from scorer import Scorer
    Scorer().predict([{"age": 39, "workclass": "Private"}])

`model.json` tells the columns and what is done to them, `arrays.npz` holds the numbers.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

NEAR_ZERO = 0.001
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
LOGICAL = {"T": "TRUE", "true": "TRUE", "F": "FALSE", "false": "FALSE"}


class Scorer:
    """A model that was unpacked into a folder."""

    def __init__(self, folder: Any = None) -> None:
        """Read the model.

        Args:
            folder: where `model.json` and `arrays.npz` are; default, where this file is.
        """
        place = Path(folder) if folder is not None else Path(__file__).resolve().parent
        self.model: dict[str, Any] = json.loads((place / "model.json").read_text("utf-8"))
        with np.load(place / "arrays.npz", allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}

    def predict(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the model says of each row, in order.

        Args:
            rows: one dict a row, column name to number or text; None is missing. Columns that the
                model does not read are ignored.

        Returns:
            `class`, a list of levels, and `prob`, float32 (rows, levels), of a classification;
            `numeric`, float32 (rows, outcomes), of a regression.

        Raises:
            ValueError: a column is missing, a cell is of another kind, or a missing value or a
                level that the training rows did not have would reach the network.
        """
        output = self.network(self.bake(rows))
        if self.model["mode"] == "regression":
            return {"numeric": output}
        best, levels = output.argmax(axis=1), self.model["levels"]
        finite = np.isfinite(output).all(axis=1)
        return {
            "class": [levels[at] if fine else None for at, fine in zip(best, finite)],
            "prob": output,
        }

    def bake(self, rows: list[dict[str, Any]]) -> Any:
        """Return the predictors after the recipe, float32 (rows, predictors)."""
        columns: dict[str, Any] = {}
        for column in self.model["inputs"]:
            read = self._codes if "levels" in column else self._numbers
            columns[column["name"]] = read(column, rows)
        with np.errstate(all="ignore"):
            for step in self.model["steps"]:
                self._apply(step, columns)
            outputs = self.model["outputs"]
            x = np.empty((len(rows), len(outputs)), dtype=np.float32)
            for place, name in enumerate(outputs):
                x[:, place] = columns[name]
        if not np.isfinite(x).all():
            row, place = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(
                f"Expected a number in row {row + 1} of column '{outputs[place]}' after the "
                "recipe. Received a missing value, or one too large."
            )
        return x

    def network(self, x: Any) -> Any:
        """Return the network's output, float32 (rows, outputs)."""
        layers = self.model["layers"]
        with np.errstate(all="ignore"):
            for layer in range(1, layers + 1):
                kernel, bias = (self.arrays[f"dense_{layer}_{p}"] for p in ("kernel", "bias"))
                last = layer == layers
                name = self.model["output_activation" if last else "activation"]
                x = ACTIVATIONS[name](x @ kernel + bias).astype(np.float32)
        return x

    def _apply(self, step: dict[str, Any], columns: dict[str, Any]) -> None:
        """Do one step of the recipe to all rows: change columns, or make new ones."""
        operation, names = step["op"], step["columns"]
        given = {name: self.arrays[key] for name, key in step["arrays"].items()}
        if operation == "lookup":
            new = given["table"][columns[names[0]]]
        else:
            x = np.stack([columns[name] for name in names], axis=1)
            if operation == "ratio":
                new = x / np.stack([columns[name] for name in step["below"]], axis=1)
            else:
                new = OPERATIONS[operation](x, **given)
        for place, name in enumerate(step["made"] or names):
            columns[name] = new[:, place]

    def _numbers(self, column: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
        """Return a column of numbers, float64 (rows,), NaN where missing."""
        found = np.full(len(rows), math.nan)
        for place, row in enumerate(rows):
            cell = _cell(row, column["name"], place)
            if cell is None:
                continue
            is_number = isinstance(cell, (int, float, np.number)) and not isinstance(cell, bool)
            if not is_number or math.isinf(cell):
                raise _wrong("a number", place, column["name"], cell)
            found[place] = cell
        return found

    def _codes(self, column: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
        """Return a column's levels: 0 for one that is new, 1 where missing, then in order."""
        code_of = {level: code for code, level in enumerate(column["levels"], 2)}
        found = np.empty(len(rows), dtype=np.int64)
        for place, row in enumerate(rows):
            cell = _cell(row, column["name"], place)
            texts = _texts(cell)
            code = 1 if cell is None else next((code_of[t] for t in texts if t in code_of), 0)
            if code == 0 and not (column["open"] and texts):
                raise _wrong("a level of the training rows", place, column["name"], cell)
            found[place] = code
        return found

    def read_csv(self, path: Any) -> list[dict[str, Any]]:
        """Return the rows of a CSV with a header line, as `predict` takes them.

        Cells are trimmed and compared with the training data's words for missing.
        """
        kinds = {column["name"]: column for column in self.model["inputs"]}
        missing = set(self.model["na"])
        rows: list[dict[str, Any]] = []
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise ValueError(
                        f"Expected {len(header)} cells in line {reader.line_num}. "
                        f"Received {len(cells)}."
                    )
                row: dict[str, Any] = {}
                for name, text in zip(header, (cell.strip() for cell in cells)):
                    if name in kinds:
                        row[name] = _read(text, kinds[name], missing, len(rows))
                rows.append(row)
        return rows


def _cell(row: dict[str, Any], name: str, place: int) -> Any:
    if name not in row:
        raise ValueError(f"Expected a column '{name}' in row {place + 1}. Received none.")
    cell = row[name]
    # NaN, as pandas has it, is missing too; nothing else differs from itself.
    return None if cell is None or cell != cell else cell


def _texts(cell: Any) -> list[str]:
    """Return the levels that a cell may mean: a number counts as its text."""
    if isinstance(cell, (bool, np.bool_)):
        return ["TRUE", "true"] if cell else ["FALSE", "false"]
    if isinstance(cell, (int, np.integer)):
        return [str(int(cell))]
    if isinstance(cell, (float, np.floating)):
        return [str(int(cell)), str(float(cell))] if float(cell).is_integer() else [str(cell)]
    return [cell] if isinstance(cell, str) else []


def _read(text: str, column: dict[str, Any], missing: Any, row: int) -> Any:
    if "levels" in column:
        if column["type"] == "logical" and text in LOGICAL:
            return LOGICAL[text]
        return None if text in missing else text
    if text in missing:
        return None
    if NUMBER.match(text) is None:
        raise _wrong("a number", row, column["name"], text)
    return float(text)


def _wrong(expected: str, row: int, name: str, cell: Any) -> ValueError:
    return ValueError(
        f"Expected {expected} in row {row + 1} of column '{name}'. Received {str(cell)[:64]!r}."
    )


def box_cox(x: Any, powers: Any) -> Any:
    """Box and Cox (1964): `(x^power - 1) / power`, the logarithm where the power is 0."""
    x = np.where(x < 0, np.nan, x)
    is_log = np.abs(powers) < NEAR_ZERO
    safe = np.where(is_log, 1.0, powers)
    return np.where(is_log, np.log(x), (x**safe - 1) / safe)


def yeo_johnson(x: Any, powers: Any) -> Any:
    """Yeo and Johnson (2000): Box and Cox's of `x + 1`, below 0 mirrored with `2 - power`."""
    up = box_cox(np.maximum(x, 0) + 1, powers)
    down = -box_cox(1 - np.minimum(x, 0), 2 - powers)
    return np.where(x < 0, down, up)


OPERATIONS: dict[str, Any] = {
    "affine": lambda x, centre, times, divisor, plus: (x - centre) * times / divisor + plus,
    "clip": lambda x, low, high: np.clip(x, low, high),
    "fill": lambda x, values: np.where(np.isnan(x), values, x),
    "box_cox": box_cox,
    "yeo_johnson": yeo_johnson,
    "product": lambda x, rotation: x @ rotation,
}


def softmax(x: Any) -> Any:
    """`exp(x_i) / sum_j exp(x_j)`, the largest x taken off first."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def elu(x: Any) -> Any:
    """`x` above 0, else `exp(x) - 1`."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`, from `exp(-|x|)`, which cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def gelu(x: Any) -> Any:
    """`x / 2 (1 + erf(x / sqrt 2))`."""
    erf = np.array([math.erf(each) for each in (x.ravel() * math.sqrt(0.5)).tolist()])
    return x * 0.5 * (1 + erf.reshape(x.shape))


def selu(x: Any) -> Any:
    """Klambauer et al. (2017)."""
    low = 1.6732632423543772848170429916717 * np.expm1(np.minimum(x, 0))
    return 1.0507009873554804934193349852946 * np.where(x > 0, x, low)


ACTIVATIONS: dict[str, Any] = {
    "linear": lambda x: x,
    "softmax": softmax,
    "relu": lambda x: np.maximum(x, 0),
    "elu": elu,
    "exponential": np.exp,
    "gelu": gelu,
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "selu": selu,
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "softsign": lambda x: x / (np.abs(x) + 1),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
}


def main() -> None:
    """Predict the rows of a CSV; the answer is a CSV with parsnip's column names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python scorer.py rows.csv > predictions.csv")
    scorer = Scorer()
    found = scorer.predict(scorer.read_csv(sys.argv[1]))
    outcomes, levels = scorer.model["outcomes"], scorer.model["levels"]
    if "numeric" in found:
        names = [".pred"] if len(outcomes) == 1 else [f".pred_{name}" for name in outcomes]
        rows = found["numeric"].tolist()
    else:
        names = [".pred_class", *(f".pred_{level}" for level in levels)]
        rows = [[c, *p] for c, p in zip(found["class"], found["prob"].tolist())]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


if __name__ == "__main__":
    main()
