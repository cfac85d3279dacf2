"""A recipe's steps as lines of pandas, each learned from the rows that train."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.errors import NotExportable
from service.domain.selectors import Kind, columns_of, kind_of
from service.engine.artifact import Artifact
from service.engine.recipe.registry import STEP_KINDS
from service.engine.recipe.step import DroppingStep
from service.engine.scripts.python_columnwise import COLUMNWISE
from service.engine.scripts.python_making import MAKING
from service.engine.scripts.python_text import Asked, Writer, dropped, literal

WRITERS: Mapping[str, Writer] = {**COLUMNWISE, **MAKING}
_GROUPS = {
    "all_predictors": "list(x)",
    "all_numeric_predictors": "numeric(x)",
    "all_nominal_predictors": "nominal(x)",
}
# Which columns these drop takes pages to find; what they found is one line.
_FOUND = ("nzv", "corr", "lincomb", "filter_missing")


def recipe_lines(artifact: Artifact) -> list[str]:
    """Return the recipe as a function's body over `x`, `levels` and `n`, the rows that train.

    `x` is a DataFrame of all rows, of which the first `n` are learned from; `levels` maps each
    column of categories to its levels. What pandas cannot say in a few lines is not learned anew
    but written down as the model has it, with a comment: a power's lambda, the columns that `nzv`,
    `corr`, `lincomb` and `filter_missing` dropped, a trimmed mean.

    Raises:
        NotExportable: a step that cannot be written so; it is named.
    """
    recipe, profile = artifact.recipe, {column.name: column for column in artifact.columns}
    columns: dict[str, Kind] = {name: kind_of(profile[name].type) for name in recipe.inputs}
    integers = {name for name in recipe.inputs if profile[name].type == "integer"}
    gone: set[str] = set()
    lines: list[str] = []
    for place, (step, fitted) in enumerate(zip(artifact.spec.recipe, recipe.steps, strict=True)):
        assert isinstance(fitted, STEP_KINDS[step.step].fitted), "a recipe is fitted in order"
        lines += ["", f"# step_{step.step}()"]
        if step.step in _FOUND:
            assert isinstance(fitted, DroppingStep), "these drop columns"
            lines += dropped(fitted.removed) or ["# It drops none in these rows."]
        elif (write := WRITERS.get(step.step)) is not None:
            names = columns_of(step, list(columns.items()), gone=gone)
            chosen = _GROUPS[step.selects] if step.columns is None else literal(names)
            lines += write(Asked(step, fitted, chosen, integers))
        else:
            raise NotExportable(
                "Expected a recipe whose steps can be written in pandas. Received step "
                f"'{step.step}' at place {place + 1}, which has no such form. `fitpoint bake` "
                "writes the baked table, and `format=bundle` gives the model itself."
            )
        after = fitted.after(columns)
        gone |= columns.keys() - after.keys()
        integers -= {name for name in integers if fitted.writes(name) and not fitted.keeps_integers}
        columns = after
    return lines
