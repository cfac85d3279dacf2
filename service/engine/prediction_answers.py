"""A model's output as the columns of an answer, with parsnip's names, and as JSON and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import Mode
from service.domain.names import did_you_mean
from service.engine.activations import Matrix
from service.engine.prediction_columns import Layout, shown
from service.engine.predictor import Output

Kind = Literal["class", "prob", "numeric", "raw"]
Cell: TypeAlias = float | str | None

_KINDS_OF: dict[Mode, tuple[Kind, ...]] = {
    "classification": ("class", "prob", "raw"),
    "regression": ("numeric", "raw"),
}
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?\Z")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Named columns of equal length; None where a value is not finite."""

    columns: tuple[str, ...]
    values: tuple[tuple[Cell, ...], ...]

    def as_rows(self) -> list[dict[str, Cell]]:
        """Return one object a row: the shape that answers `{"rows": ...}`."""
        return [dict(zip(self.columns, row, strict=True)) for row in self._rows()]

    def as_json(self, layout: Layout) -> dict[str, Any]:
        """Return the answer in the request's layout: `rows`, or `columns` and `data`."""
        if layout == "rows":
            return {"rows": self.as_rows()}
        return {"columns": list(self.columns), "data": [list(row) for row in self._rows()]}

    def as_csv(self) -> bytes:
        """Return the answer as CSV with a header line, UTF-8, missing as an empty cell.

        Text is made safe for spreadsheets (`inert`); numbers are written so that they read back
        to the same bits.
        """
        columns = [
            [inert(cell) if isinstance(cell, str) else cell for cell in column]
            for column in self.values
        ]
        lines = _Lines()
        writer = csv.writer(lines)
        writer.writerow([inert(name) for name in self.columns])
        writer.writerows(zip(*columns, strict=True))
        return "".join(lines.written).encode("utf-8", "replace")

    def _rows(self) -> Sequence[tuple[Cell, ...]]:
        return list(zip(*self.values, strict=True))


class _Lines:
    """What a csv.writer writes, its lines ended by LF.

    Before Python 3.11.9 the writer quotes a CR in a cell only where its own lines end in one
    (python/cpython#67044), so they do, and the CR is taken off here, where each call is one line.
    """

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> None:
        self.written.append(line.removesuffix("\r\n") + "\n")


def kinds_of(names: Sequence[str], mode: Mode) -> tuple[Kind, ...]:
    """Return the kinds of prediction that were asked for; by default `class` or `numeric`.

    Args:
        names: such as ["class", "prob"]; none means the default.
        mode: the model's.

    Raises:
        InvalidSpec: a kind that does not exist, that this mode has not, or one named twice.
    """
    known = _KINDS_OF[mode]
    kinds: list[Kind] = []
    for name in names:
        kind = next((kind for kind in get_args(Kind) if kind == name), None)
        if kind is None or kind not in known or kind in kinds:
            twice = " twice" if kind in kinds else ""
            near = "" if kind else did_you_mean(shown(name), known)
            detail = (
                f"Expected a type of prediction that a {mode} has: {', '.join(known)}. "
                f"Received '{shown(name)}'{twice}.{near}"
            )
            raise InvalidSpec(
                detail, errors=[FieldError(loc=("type",), msg=detail, received=shown(name))]
            )
        kinds.append(kind)
    return tuple(kinds) or known[:1]


def answer(output: Output, kinds: Sequence[Kind]) -> Answer:
    """Return the columns of an answer, the kinds in the order asked for.

    `class` is `.pred_class`; `prob` is `.pred_<level>` for each level; `numeric` is `.pred`, or
    `.pred_<outcome>` for each of several outcomes; `raw` is the output matrix as `.raw_1`, `.raw_2`
    and so on. Numbers are the float32 values exactly.

    Args:
        output: of the model.
        kinds: from `kinds_of` with the model's mode.

    Raises:
        InvalidSpec: two columns would have one name, as with the kinds `class` and `prob` and a
            level called "class".
    """
    columns = names_of(output, kinds)
    values: list[tuple[Cell, ...]] = []
    for kind in kinds:
        match kind:
            case "class":
                values.append(tuple(output.classes))
            case "prob":
                values += _numbers(output.prob)
            case "numeric":
                values += _numbers(output.numeric)
            case "raw":
                values += _numbers(output.raw)
    return Answer(columns=columns, values=tuple(values))


def names_of(output: Output, kinds: Sequence[Kind]) -> tuple[str, ...]:
    """Return the names of an answer's columns, as for `answer`.

    Raises:
        InvalidSpec: two columns would have one name.
    """
    columns: list[str] = []
    for kind in kinds:
        match kind:
            case "class":
                columns.append(".pred_class")
            case "prob":
                columns += [f".pred_{level}" for level in output.levels or ()]
            case "numeric":
                several = len(output.outcomes) > 1
                columns += [f".pred_{name}" for name in output.outcomes] if several else [".pred"]
            case "raw":
                columns += [f".raw_{place + 1}" for place in range(output.raw.shape[1])]
    if len(set(columns)) != len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise InvalidSpec(
            f"Expected columns of different names. Received the types {', '.join(kinds)}, which "
            f"make two columns '{shown(twice)}' with this model's levels. Ask for one at a time.",
            errors=[FieldError(loc=("type",), msg="Expected one type at a time.")],
        )
    return tuple(columns)


def inert(text: str) -> str:
    """Return text that a spreadsheet will not run: `'` before =, +, -, @, TAB, CR or NUL.

    (OWASP ASVS 1.2.10.) Text that is a plain number, such as the level "-1", is left as it is.
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.match(text) else text


def _numbers(matrix: Matrix) -> list[tuple[Cell, ...]]:
    columns: list[list[Cell]] = matrix.T.tolist()
    if not np.isfinite(matrix).all():
        shown = np.isfinite(matrix).T.tolist()
        columns = [
            [cell if ok else None for cell, ok in zip(column, oks, strict=True)]
            for column, oks in zip(columns, shown, strict=True)
        ]
    return [tuple(column) for column in columns]
