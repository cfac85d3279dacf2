"""A step that replaces columns by their principal components: `pca`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import JsonValue

from service.domain.column_names import numbered
from service.domain.recipe import Pca
from service.domain.selectors import Kind
from service.engine.recipe.blocks import matrices, triangle
from service.engine.recipe.packed import Packed
from service.engine.recipe.source import Floats
from service.engine.recipe.step import Learned, MakingStep, StepKind
from service.engine.recipe.view import View


class Components(MakingStep):
    """`sum over columns of x * loading`, for each component."""

    step: Literal["pca"] = "pca"
    columns: tuple[str, ...]
    # (columns, components)
    rotation: Packed
    # Of all components.
    sds: tuple[float, ...]

    def reads(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return the columns before the step that a column which it writes is computed from."""
        return self.columns

    def numeric(self, name: str, before: View) -> Floats:
        """Return the values after the step of a column which it writes, float64 (rows,)."""
        scores = before.once(self.step, lambda: self._scores(before))
        score: Floats = scores[self._place[name]]
        return score

    def learned(self) -> dict[str, JsonValue]:
        """Return what was learned, as a person would want to see it."""
        loadings = self.rotation.array.T.tolist()
        return {
            "sd": list(self.sds),
            "loadings": {
                name: dict(zip(self.columns, of_columns, strict=True))
                for name, of_columns in zip(self.made, loadings, strict=True)
            },
        }

    @cached_property
    def _rotation(self) -> Floats:
        return np.asarray(self.rotation.array, dtype=np.float64)

    def _scores(self, before: View) -> Floats:
        # Column after column, as a product through BLAS would depend on the neighbours of a row.
        scores = np.zeros((len(self.made), before.n_rows))
        with np.errstate(over="ignore", invalid="ignore"):
            for name, loadings in zip(self.columns, self._rotation, strict=True):
                values = before.numeric(name)
                for component, loading in enumerate(loadings.tolist()):
                    scores[component] += values * loading
        return scores


def learn_pca(step: Pca, columns: Mapping[str, Kind], training: View) -> Learned:
    """Learn loadings, as recipes 1.0.4's `step_pca` (`prcomp` without centring and scaling).

    The right singular vectors of the columns; put `normalize` before. `num_comp` components at
    most, or with `threshold` as many as hold that share of the variance (R keeps a single one where
    rounding leaves the sum of all below a threshold of 1; here it is all). `num_comp` of 0 does
    nothing. R leaves a component's sign to LAPACK; here the loading of largest size is positive,
    of equal ones the first.

    Raises:
        MissingValues: a value of these columns is missing or infinite.
    """
    names = tuple(columns)
    if step.num_comp == 0 or not names:
        nothing = Components(
            made=(),
            dropped=(),
            columns=names,
            rotation=Packed.of(np.empty((len(names), 0))),
            sds=(),
        )
        return Learned(fitted=nothing)
    factor = triangle(matrices(training, names, step.step), len(names))
    _, singular, rotation = np.linalg.svd(factor, full_matrices=False)
    sds = singular / np.sqrt(max(training.n_rows - 1, 1))
    count = min(step.num_comp, len(sds))
    if step.threshold is not None:
        shares = np.cumsum(sds**2 / (sds**2).sum()) if sds.any() else np.ones(len(sds))
        enough = np.flatnonzero(shares >= step.threshold)
        count = int(enough[0]) + 1 if len(enough) else len(sds)
    kept = rotation[:count].T
    largest = np.abs(kept).argmax(axis=0)
    kept = kept * np.where(kept[largest, np.arange(count)] < 0, -1.0, 1.0)
    return Learned(
        fitted=Components(
            made=numbered(count, step.prefix),
            dropped=() if step.keep_original_cols else names,
            columns=names,
            rotation=Packed.of(kept),
            sds=tuple(sds.tolist()),
        ),
        reasons=dict.fromkeys(names, "Principal components replace it."),
    )


KINDS = (StepKind(Pca, Components, learn_pca),)
