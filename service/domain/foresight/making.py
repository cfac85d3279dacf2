"""Steps that make new numeric columns from numeric ones."""

from __future__ import annotations

from service.domain.column_names import numbered, polynomial_names, ratio_name, spline_names
from service.domain.foresight.standing import (
    Before,
    Foreseen,
    Standing,
    computed,
    foreseen,
    joined,
    refused,
    require_complete,
    without,
)
from service.domain.recipe import Interact, NaturalSpline, Pca, Polynomial, Ratio


@foreseen.register
def _pca(step: Pca, at: Before) -> Foreseen:
    if step.num_comp == 0 or not at.names:
        return Foreseen(columns=at.columns)
    require_complete(step.step, at.names, at.columns)
    most = len(at.names) if at.n_rows is None else min(len(at.names), at.n_rows)
    count = most if step.threshold is not None else min(step.num_comp, most)
    new = computed(*(at.columns[name] for name in at.names))
    left = at.columns if step.keep_original_cols else without(at.columns, at.names)
    made = [(name, new) for name in numbered(count, step.prefix)]
    return Foreseen(
        columns=joined(step.step, left, made),
        exact=step.threshold is None and at.n_rows is not None,
    )


@foreseen.register(NaturalSpline)
@foreseen.register(Polynomial)
def _basis(step: NaturalSpline | Polynomial, at: Before) -> Foreseen:
    made: list[tuple[str, Standing]] = []
    for name in at.names:
        column = at.columns[name]
        argument, size = (
            ("deg_free", step.deg_free)
            if isinstance(step, NaturalSpline)
            else ("degree", step.degree)
        )
        if column.n_unique is not None and column.n_unique <= size:
            raise refused(
                f"Expected more than {size} distinct values of '{name}' in step '{step.step}'. "
                f"Received {column.n_unique}. Lower `{argument}`, or leave the column out.",
                name,
                at.stage,
            )
        new = computed(column)
        namer = spline_names if isinstance(step, NaturalSpline) else polynomial_names
        made += [(made_name, new) for made_name in namer(name, size)]
    return Foreseen(columns=joined(step.step, without(at.columns, at.names), made))


@foreseen.register
def _ratio(step: Ratio, at: Before) -> Foreseen:
    below = at.stage.others(step, "denom", step.selects)
    made = [
        (
            ratio_name(top, bottom),
            computed(at.columns[top], at.columns[bottom]),
        )
        for bottom in below
        for top in at.names
        if top != bottom
    ]
    left = at.columns if step.keep_original_cols else without(at.columns, (*at.names, *below))
    return Foreseen(columns=joined(step.step, left, made))


@foreseen.register
def _interact(step: Interact, at: Before) -> Foreseen:
    made = [
        (
            step.sep.join(term),
            computed(*(at.columns[name] for name in term)),
        )
        for term in at.stage.interactions(step)
    ]
    return Foreseen(columns=joined(step.step, at.columns, made))
