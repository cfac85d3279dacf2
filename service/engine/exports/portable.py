"""A fitted model as a short list of operations on matrices, for programs that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.domain.datasets import ColumnType
from service.domain.errors import NotExportable
from service.engine.activations import Matrix
from service.engine.artifact import Artifact
from service.engine.prediction_columns import InputColumns
from service.engine.predictor import input_columns
from service.engine.recipe.source import Codes, Floats, Rows
from service.engine.recipe.step import FittedStep
from service.engine.recipe.steps.categories import NovelLevel, OtherLevel, UnknownLevel
from service.engine.recipe.steps.components import Components
from service.engine.recipe.steps.dummies import Dummies
from service.engine.recipe.steps.fills import FilledMean, FilledMedian, FilledMode
from service.engine.recipe.steps.powers import BoxCoxed, YeoJohnsoned
from service.engine.recipe.steps.products import Ratios
from service.engine.recipe.steps.rescale import Divided, Ranged
from service.engine.recipe.steps.standardize import Centered, Normalized, Scaled
from service.engine.recipe.view import MISSING, UNSEEN, View

Arrays = Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that is done to all rows; `step` is the recipe's step that asks for it.

    `op` decides what the arrays mean; each is float64, (columns,) if nothing else is said:

    - `affine`: `(x - centre) * times / divisor + plus`, in place;
    - `clip`: `min(max(x, low), high)`, in place;
    - `fill`: `values` where x is missing, in place;
    - `box_cox`: `(x^power - 1) / power`, `log(x)` where |power| < .001, NaN below 0, in place;
    - `yeo_johnson`: Box and Cox's of `x + 1`; below 0 minus that of `1 - x` with `2 - power`;
    - `lookup`: row `code` of `table` (levels + 2, made), where the code of the factor `columns[0]`
      is 0 for a level that the training rows did not have, 1 for a missing value, then the levels;
    - `ratio`: `columns[i] / below[i]`;
    - `product`: `x @ rotation`, (columns, made).

    The last three make the columns `made`; the others change `columns`.
    """

    op: str
    step: str
    columns: tuple[str, ...]
    made: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Portable:
    """Raw columns in, predictions out.

    `outputs` are the predictors of the network, in order: what the operations leave of `inputs`.
    """

    inputs: InputColumns
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    weights: tuple[Matrix, ...]
    activation: str
    output_activation: str
    levels: tuple[str, ...] | None
    outcomes: tuple[str, ...]


def portable(artifact: Artifact) -> Portable:
    """Return a model as operations; of each step only what reaches the network.

    A factor's dummy columns depend on its level alone, so they are tabulated by the recipe itself:
    whatever `novel`, `unknown`, `other` and `impute_mode` do is in the table.

    Raises:
        NotExportable: a step that is none of those which other programs can be given; it is named.
    """
    recipe = artifact.recipe
    needed = set(recipe.outputs)
    found: list[Operation] = []
    for place in range(len(recipe.steps) - 1, -1, -1):
        step = recipe.steps[place]
        written = {name for name in needed if step.writes(name)}
        if not written:
            continue
        if isinstance(step, _TABULATED):
            operations = []
        elif isinstance(step, Dummies):
            operations = _tabulated(artifact, place, step, written)
        elif (make := _MAKERS.get(type(step))) is not None:
            operations = make(step, written)
        else:
            raise _refused(f"step '{step.step}'", "which it cannot hold")
        found[:0] = operations
        needed -= written
        for name in written:
            needed.update(step.reads(name))
    inputs = input_columns(artifact)
    for column in inputs.columns:
        if column.is_temporal:
            raise _refused(f"column '{column.name}' of type {column.type}", "which it cannot read")
    return Portable(
        inputs=inputs,
        operations=tuple(found),
        outputs=recipe.outputs,
        weights=artifact.weights,
        activation=artifact.network.activation,
        output_activation=artifact.network.output_activation,
        levels=artifact.levels,
        outcomes=artifact.outcomes,
    )


def _refused(what: str, why: str) -> NotExportable:
    return NotExportable(
        f"Expected a recipe of steps that the file can hold. Received {what}, {why}. The formats "
        "'keras' and 'saved_model' take the baked predictors and leave the recipe to you."
    )


def _chosen(
    columns: Sequence[str], written: set[str], *parts: Sequence[float]
) -> tuple[tuple[str, ...], list[Floats]]:
    """Return those of a step's columns that are needed, and what it learned of them."""
    kept = [place for place, name in enumerate(columns) if name in written]
    return tuple(columns[place] for place in kept), [
        np.array([part[place] for place in kept], dtype=np.float64) for part in parts
    ]


def _affine(
    step: str, columns: tuple[str, ...], *, centre: object, times: object = 1.0, divisor: object,
    plus: object = 0.0,
) -> Operation:  # fmt: skip
    n = len(columns)
    given = {"centre": centre, "times": times, "divisor": divisor, "plus": plus}
    arrays = {
        name: np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)))
        for name, value in given.items()
    }
    return Operation(op="affine", step=step, columns=columns, arrays=arrays)


def _normalized(step: Normalized, written: set[str]) -> list[Operation]:
    columns, (means, sds) = _chosen(step.columns, written, step.means, step.sds)
    return [_affine(step.step, columns, centre=means, divisor=sds)]


def _centered(step: Centered, written: set[str]) -> list[Operation]:
    columns, (means,) = _chosen(step.columns, written, step.means)
    return [_affine(step.step, columns, centre=means, divisor=1.0)]


def _scaled(step: Scaled, written: set[str]) -> list[Operation]:
    columns, (divisors,) = _chosen(step.columns, written, step.divisors)
    return [_affine(step.step, columns, centre=0.0, divisor=divisors)]


def _divided(step: Divided, written: set[str]) -> list[Operation]:
    columns, _ = _chosen(step.columns, written)
    return [_affine(step.step, columns, centre=0.0, divisor=step.by)]


def _ranged(step: Ranged, written: set[str]) -> list[Operation]:
    columns, (lows, highs) = _chosen(step.columns, written, step.lows, step.highs)
    width = np.where(highs == lows, 1.0, highs - lows)
    size = step.max - step.min
    mapped = _affine(step.step, columns, centre=lows, times=size, divisor=width, plus=step.min)
    if not step.clipping:
        return [mapped]
    ends = {"low": np.full(len(columns), step.min), "high": np.full(len(columns), step.max)}
    return [mapped, Operation(op="clip", step=step.step, columns=columns, arrays=ends)]


def _filled(step: FilledMean | FilledMedian, written: set[str]) -> list[Operation]:
    columns, (values,) = _chosen(step.columns, written, step.values)
    return [Operation(op="fill", step=step.step, columns=columns, arrays={"values": values})]


def _powered(step: BoxCoxed | YeoJohnsoned, written: set[str]) -> list[Operation]:
    columns, (powers,) = _chosen(step.columns, written, step.lambdas)
    return [Operation(op=step.step, step=step.step, columns=columns, arrays={"powers": powers})]


def _ratios(step: Ratios, written: set[str]) -> list[Operation]:
    kept = [place for place, name in enumerate(step.made) if name in written]
    return [
        Operation(
            op="ratio",
            step=step.step,
            columns=tuple(step.pairs[place][0] for place in kept),
            below=tuple(step.pairs[place][1] for place in kept),
            made=tuple(step.made[place] for place in kept),
        )
    ]


def _components(step: Components, written: set[str]) -> list[Operation]:
    kept = [place for place, name in enumerate(step.made) if name in written]
    rotation = np.asarray(step.rotation.array, dtype=np.float64)[:, kept]
    return [
        Operation(
            op="product",
            step=step.step,
            columns=step.columns,
            made=tuple(step.made[place] for place in kept),
            arrays={"rotation": rotation},
        )
    ]


def _tabulated(artifact: Artifact, place: int, step: Dummies, written: set[str]) -> list[Operation]:
    recipe = artifact.recipe
    found: dict[str, list[str]] = {}
    for name in step.made:
        if name in written:
            found.setdefault(step.reads(name)[0], []).append(name)
    operations = []
    for factor, made in found.items():
        _require_plain(recipe.steps[:place], factor)
        levels = recipe.levels[factor]
        view = View(_EveryLevel(factor, levels), recipe.steps[:place], None, recipe.levels)
        table = np.column_stack([step.numeric(name, view) for name in made])
        operations.append(
            Operation(
                op="lookup",
                step=step.step,
                columns=(factor,),
                made=tuple(made),
                arrays={"table": table},
            )
        )
    return operations


def _require_plain(steps: Sequence[FittedStep], factor: str) -> None:
    """Refuse a factor that some step makes of numbers or dates: its codes are in no raw column."""
    for step in reversed(steps):
        if step.writes(factor) and not isinstance(step, _TABULATED):
            raise _refused(f"step '{step.step}'", "which it cannot hold")


@dataclass(frozen=True)
class _EveryLevel:
    """One factor in as many rows as it has values: unseen, missing, then its levels in order."""

    name: str
    levels: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        return len(self.levels) + 2

    @property
    def types(self) -> Mapping[str, ColumnType]:
        return {self.name: "factor"}

    def numeric(self, name: str, rows: Rows = None) -> Floats:
        raise KeyError(f"{name} {rows}")

    def codes(self, name: str, rows: Rows = None) -> Codes:
        assert (name, rows) == (self.name, None), "a factor's table is of its own levels"
        codes: NDArray[np.int32] = np.arange(UNSEEN, len(self.levels), dtype=np.int32)
        assert codes[1] == MISSING, "missing stands behind unseen"
        return codes

    def category_levels(self, name: str) -> tuple[str, ...]:
        assert name == self.name, "a factor's table is of its own levels"
        return self.levels


_TABULATED = (NovelLevel, UnknownLevel, OtherLevel, FilledMode)
_MAKERS: Mapping[type[FittedStep], Callable[..., list[Operation]]] = {
    Normalized: _normalized,
    Centered: _centered,
    Scaled: _scaled,
    Divided: _divided,
    Ranged: _ranged,
    FilledMean: _filled,
    FilledMedian: _filled,
    BoxCoxed: _powered,
    YeoJohnsoned: _powered,
    Ratios: _ratios,
    Components: _components,
}
