"""Steps that make new numeric columns from numeric ones."""

from __future__ import annotations

from service.domain.column_names import numbered, polynomial_names, ratio_name, spline_names
from service.domain.foresight.standing import (
    Foreseen,
    Standing,
    Standings,
    computed,
    foreseen,
    joined,
    refused,
    require_complete,
    without,
)
from service.domain.recipe import Interact, NaturalSpline, Pca, Polynomial, Ratio
from service.domain.selectors import Stage


@foreseen.register
def _pca(
    step: Pca, names: tuple[str, ...], columns: Standings, _: Stage, n_rows: int | None
) -> Foreseen:
    if step.num_comp == 0 or not names:
        return Foreseen(columns=columns)
    require_complete(step.step, names, columns)
    most = len(names) if n_rows is None else min(len(names), n_rows)
    count = most if step.threshold is not None else min(step.num_comp, most)
    new = computed(*(columns[name] for name in names))
    left = columns if step.keep_original_cols else without(columns, names)
    made = [(name, new) for name in numbered(count, step.prefix)]
    return Foreseen(
        columns=joined(step.step, left, made), exact=step.threshold is None and n_rows is not None
    )


@foreseen.register(NaturalSpline)
@foreseen.register(Polynomial)
def _basis(
    step: NaturalSpline | Polynomial,
    names: tuple[str, ...],
    columns: Standings,
    stage: Stage,
    _: int | None,
) -> Foreseen:
    made: list[tuple[str, Standing]] = []
    for name in names:
        column = columns[name]
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
                stage,
            )
        new = computed(column)
        namer = spline_names if isinstance(step, NaturalSpline) else polynomial_names
        made += [(made_name, new) for made_name in namer(name, size)]
    return Foreseen(columns=joined(step.step, without(columns, names), made))


@foreseen.register
def _ratio(
    step: Ratio, names: tuple[str, ...], columns: Standings, stage: Stage, _: int | None
) -> Foreseen:
    below = stage.others(step, "denom", step.selects)
    made = [
        (
            ratio_name(top, bottom),
            computed(columns[top], columns[bottom]),
        )
        for bottom in below
        for top in names
        if top != bottom
    ]
    left = columns if step.keep_original_cols else without(columns, (*names, *below))
    return Foreseen(columns=joined(step.step, left, made))


@foreseen.register
def _interact(
    step: Interact, _: tuple[str, ...], columns: Standings, stage: Stage, __: int | None
) -> Foreseen:
    made = [
        (
            step.sep.join(term),
            computed(*(columns[name] for name in term)),
        )
        for term in stage.interactions(step)
    ]
    return Foreseen(columns=joined(step.step, columns, made))
