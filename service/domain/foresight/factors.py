"""Steps that read or make categories."""

from __future__ import annotations

from dataclasses import replace

from service.domain.column_names import dummy_names, make_names, numbered
from service.domain.datasets import MAX_LEVELS
from service.domain.foresight.standing import (
    Before,
    Foreseen,
    Standing,
    changed,
    computed,
    foreseen,
    joined,
    refused,
    without,
)
from service.domain.recipe import Date, Discretize, Dummy, Novel, Other, Unknown
from service.domain.schema import MAX_COLUMNS
from service.domain.selectors import Stage


@foreseen.register
def _dummy(step: Dummy, at: Before) -> Foreseen:
    made: list[tuple[str, Standing]] = []
    for name in at.names:
        column = at.columns[name]
        levels = _levels(name, column, at.stage)
        if len(levels) < 2 and column.levels_exact:
            raise refused(
                f"Expected at least two levels of '{name}' in step 'dummy'. Received "
                f"{len(levels)}. Drop it with a 'remove' or a 'zv' step before.",
                name,
                at.stage,
            )
        new = replace(computed(column), low=0.0)
        made += [
            (dummy, new)
            for dummy in dummy_names(name, levels, ordered=column.ordered, one_hot=step.one_hot)
        ]
        if len(made) > MAX_COLUMNS:
            raise refused(
                f"Expected at most {MAX_COLUMNS} columns from step 'dummy'. Received '{name}' with "
                f"{len(levels)} levels. An 'other' step before this one pools rare levels.",
                name,
                at.stage,
            )
    left = at.columns if step.keep_original_cols else without(at.columns, at.names)
    exact = all(at.columns[name].levels_exact for name in at.names)
    return Foreseen(columns=joined(step.step, left, made), exact=exact)


@foreseen.register(Novel)
@foreseen.register(Unknown)
def _longer(step: Novel | Unknown, at: Before) -> Foreseen:
    new = {}
    for name in at.names:
        column = at.columns[name]
        levels = column.levels
        if levels is not None and column.levels_exact and step.new_level in levels:
            raise refused(
                f"Expected a new level in step '{step.step}'. Received '{step.new_level[:64]}', "
                f"which '{name}' already has. Choose another name.",
                step.new_level[:64],
                at.stage,
            )
        longer = None if levels is None else (*levels, step.new_level)
        column = replace(column, levels=longer)
        if isinstance(step, Unknown):
            more = int(column.n_missing != 0)
            unique = column.n_unique + more if column.n_unique is not None else None
            column = replace(column.filled(0), n_unique=unique)
        new[name] = column
    return Foreseen(columns=changed(at.columns, new))


@foreseen.register
def _other(step: Other, at: Before) -> Foreseen:
    new = {}
    for name in at.names:
        column = at.columns[name]
        if column.levels is None or len(column.levels) < 2 or step.threshold == 0:
            new[name] = column
            continue
        levels = tuple(dict.fromkeys((*column.levels, step.other)))
        new[name] = replace(
            column, levels=levels, levels_exact=False, ordered=False, n_unique=None, top_counts=None
        )
    return Foreseen(columns=changed(at.columns, new))


@foreseen.register
def _discretize(step: Discretize, at: Before) -> Foreseen:
    new = {}
    exact = True
    prefix = make_names(step.prefix)
    for name in at.names:
        column = at.columns[name]
        unique, lacks = column.n_unique, column.n_missing != 0
        if unique is None:
            exact = False
        elif (unique + lacks) / (step.num_breaks + 1) < step.min_unique:
            continue
        missing = (f"{prefix}_missing",) if lacks else ()
        new[name] = Standing(
            kind="nominal",
            n_missing=0,
            levels=(*missing, *numbered(step.num_breaks, prefix)),
            levels_exact=False,
            sources=column.sources,
            open_gaps=frozenset() if lacks else column.open_gaps,
        )
    return Foreseen(columns=changed(at.columns, new), exact=exact)


@foreseen.register
def _date(step: Date, at: Before) -> Foreseen:
    made: list[tuple[str, Standing]] = []
    for name in at.names:
        for feature in step.features:
            named = step.label and feature in ("dow", "month")
            new = replace(
                computed(at.columns[name]),
                kind="nominal" if named else "numeric",
                levels=step.words(feature) if named else None,
                ordered=named and step.ordinal,
            )
            made.append((f"{name}_{feature}", new))
    left = at.columns if step.keep_original_cols else without(at.columns, at.names)
    return Foreseen(columns=joined(step.step, left, made))


def _levels(name: str, column: Standing, stage: Stage) -> tuple[str, ...]:
    if column.levels is None:
        raise refused(
            f"Expected at most {MAX_LEVELS} levels of '{name}' in step 'dummy'. Received more. "
            "Drop it with a 'remove' step.",
            name,
            stage,
        )
    return column.levels
