"""A fit that keeps some of its rows for its judgement, as tune::last_fit() of an initial split."""

from __future__ import annotations

from collections.abc import Callable

from service.domain.datasets import Dataset
from service.domain.errors import FieldError
from service.domain.fit import Evaluate, FitSpec
from service.domain.spec_checks import field_error
from service.domain.tune.resampling import Resamples, ValidationSet
from service.domain.tune.sizes import sizes_of


def seen_rows(spec: FitSpec, n_rows: int) -> int:
    """Return how many of a table's rows a fit sees: all but the testing rows of its `split`.

    Of a split that `wrong_last_fit` refuses the number means nothing.
    """
    if spec.split is None:
        return n_rows
    sizes = sizes_of(spec.split, n_rows)
    analysis, assessment = sizes.analysis or 0, sizes.assessment or 0
    return analysis + assessment if isinstance(spec.split, ValidationSet) else analysis


def wrong_last_fit(spec: FitSpec, training: Dataset) -> list[FieldError]:
    """Return why the table cannot be split so, or why an evaluation has no testing rows."""
    wrong = []
    if spec.split is not None:
        if spec.split.strata is not None:
            training.require(spec.split.strata, "body", "split", "strata")
        for loc, msg in sizes_of(spec.split, training.n_rows).refusals:
            wrong.append(field_error(("split", *loc[1:]), msg))
    for at, each in enumerate(spec.evaluate):
        if each.rows is None or (spec.split is not None and each.dataset == spec.dataset):
            continue
        msg = (
            f"Expected `rows` with the dataset that `split` divides. Received '{each.dataset}'"
            f"{'' if spec.split is not None else ' and a fit without a split'}."
        )
        wrong.append(field_error(("evaluate", at, "rows"), msg))
    return wrong


def seeded_split(spec: FitSpec, draw: Callable[[], int]) -> FitSpec:
    """Return the fit with the seed of its split filled in, so that it can be recorded."""
    if spec.split is None or spec.split.seed is not None:
        return spec
    return spec.model_copy(update={"split": spec.split.model_copy(update={"seed": draw()})})


def with_testing(spec: FitSpec, resamples: Resamples, metrics: tuple[str, ...]) -> FitSpec:
    """Return the fit of a tune's chosen candidate, which is judged on the tune's testing rows.

    Only a `validation_set` has such rows; of other resamples the fit stays as it is. It trains on
    both the analysis and the assessment rows (last_fit's `add_validation_set`).
    """
    if not isinstance(resamples, ValidationSet):
        return spec
    judged = Evaluate(dataset=spec.dataset, metrics=list(metrics), rows="testing")
    return spec.model_copy(update={"split": resamples, "evaluate": [judged, *spec.evaluate]})
