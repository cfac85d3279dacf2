"""The script that fits a model again with tidymodels, as the chapter writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service.domain.datasets import DEFAULT_NA
from service.domain.recipe import Divide, Interact, Step
from service.engine.artifact import Artifact

# Names that are not `step_` and ours.
_STEPS: Mapping[str, str] = {
    "box_cox": "step_BoxCox",
    "yeo_johnson": "step_YeoJohnson",
    "remove": "step_rm",
}
_GROUPS = (
    "all_predictors",
    "all_numeric_predictors",
    "all_nominal_predictors",
    "all_date_predictors",
)
_PATTERNS = ("starts_with", "ends_with", "matches")


def r_script(artifact: Artifact, title: str) -> str:
    """Return a tidymodels script with the same recipe, hyperparameters and engine arguments.

    It is for reading and for R: R draws other initial weights and another order of the rows from
    the same seeds, so that its model is another one of the same kind.

    Args:
        artifact: the model; its spec is a whole fit.
        title: the model's name and version.
    """
    spec = artifact.spec
    dataset = spec.dataset.replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        f"# {title} of Fitpoint, as tidymodels fits it.",
        "# R draws other initial weights from the same seeds: another model of the same kind.",
        "library(tidymodels)",
        "",
        'fitpoint <- Sys.getenv("FITPOINT", "http://127.0.0.1:8000")',
        f'url <- paste0(fitpoint, "/v1/datasets/{dataset}/file?format=csv&formulas=keep")',
        f"training <- readr::read_csv(url, na = {_vector(artifact.na or DEFAULT_NA)}) |>",
        *_types(artifact),
        "",
        f"a_recipe <- recipe({_formula(artifact)}, data = training){' |>' if spec.recipe else ''}",
        *_piped([_step(step) for step in spec.recipe]),
        "",
        "a_model <- mlp(",
        *_arguments(artifact),
        ") |>",
        *_engine(artifact),
        f'  set_mode("{spec.mode}")',
        "",
        "a_workflow <- workflow() |>",
        "  add_recipe(a_recipe) |>",
        *([f"  add_case_weights({_name(spec.case_weights)}) |>"] if spec.case_weights else []),
        "  add_model(a_model)",
        "",
        "a_fit <- fit(a_workflow, data = training)",
        "predict(a_fit, training)",
    ]
    return "\n".join(lines) + "\n"


def _types(artifact: Artifact) -> list[str]:
    changes = [
        f"{_name(column.name)} = factor({_name(column.name)})"
        for column in artifact.columns
        if column.type == "logical"
    ]
    changes += [
        f"{_name(column.name)} = factor({_name(column.name)}, levels = "
        f"{_vector(column.levels or ())}{', ordered = TRUE' if column.type == 'ordered' else ''})"
        for column in artifact.columns
        if column.type in ("factor", "ordered")
    ]
    if artifact.levels is not None:
        outcome = _name(artifact.spec.outcomes[0])
        changes.append(f"{outcome} = factor({outcome}, levels = {_vector(artifact.levels)})")
    if artifact.spec.case_weights is not None:
        weights = _name(artifact.spec.case_weights)
        changes.append(f"{weights} = importance_weights({weights})")
    if not changes:
        return ["  identity()"]
    return ["  mutate(", ",\n".join(f"    {change}" for change in changes), "  )"]


def _formula(artifact: Artifact) -> str:
    ids = artifact.spec.ids
    left = " + ".join(map(_name, artifact.spec.outcomes))
    return f"{left} ~ ." if not ids else f"{left} ~ . - {' - '.join(map(_name, ids))}"


def _step(step: Step) -> str:
    """Return a step as recipes calls it, with the arguments that are not the defaults."""
    if isinstance(step, Interact):
        return _interact(step)
    given = [_selectors(step.columns if step.columns is not None else step.selects)]
    for name, field in type(step).model_fields.items():
        value = getattr(step, name)
        if name not in ("step", "columns") and value != field.get_default():
            given.append(_argument(name, value))
    if isinstance(step, Divide):
        return f"step_mutate_at({given[0]}, fn = \\(x) x / {_number(step.by)})"
    return f"{_STEPS.get(step.step, f'step_{step.step}')}({', '.join(given)})"


def _argument(name: str, value: Any) -> str:
    if name in ("denom", "impute_with"):
        wrapper = "denom_vars" if name == "denom" else "imp_vars"
        return f"{name} = {wrapper}({_selectors(value)})"
    return f"{name} = {_value(value)}"


def _interact(step: Interact) -> str:
    terms = step.interactions()
    if terms is None:
        names = step.columns if step.columns is not None else step.selects
        chosen = [names] if isinstance(names, str) else names
        formula = f"({' + '.join(map(_selector, chosen))})^2"
    else:
        formula = " + ".join(":".join(map(_selector, term)) for term in terms)
    sep = "" if step.sep == "_x_" else f", sep = {_value(step.sep)}"
    return f"step_interact(terms = ~ {formula}{sep})"


def _selectors(columns: str | list[str]) -> str:
    return ", ".join(map(_selector, [columns] if isinstance(columns, str) else columns))


def _selector(selector: str) -> str:
    minus = "-" if selector.startswith("-") else ""
    bare = selector.removeprefix("-") if minus else selector
    if bare in _GROUPS:
        return f"{minus}{bare}()"
    what, colon, text = bare.partition(":")
    if colon and what in _PATTERNS:
        return f"{minus}{what}({_value(text)})"
    return minus + _name(bare)


def _arguments(artifact: Artifact) -> list[str]:
    model = artifact.spec.model
    given = {
        "hidden_units": model.hidden_units,
        "penalty": model.penalty,
        "dropout": model.dropout,
        "epochs": model.epochs,
        "activation": model.activation,
        "learn_rate": model.learn_rate,
    }
    asked = [f"  {name} = {_value(value)}" for name, value in given.items() if name != "learn_rate"]
    if model.learn_rate != 0.001:
        asked.append(f"  learn_rate = {_value(model.learn_rate)}")
    return [line + ("," if at < len(asked) - 1 else "") for at, line in enumerate(asked)]


def _engine(artifact: Artifact) -> list[str]:
    engine, model = artifact.spec.engine, artifact.spec.model
    given = [f"seeds = {_vector_of_numbers(model.seeds or [])}"]
    if engine.batch_size != 32:
        given.append(f"batch_size = {engine.batch_size}")
    optimizer = engine.optimizer if isinstance(engine.optimizer, str) else engine.optimizer.name
    if optimizer != "adam":
        given.append(f'optimizer = "{optimizer}"')
    if engine.metrics:
        given.append(f"metrics = {_value(engine.metrics)}")
    if engine.validation_split:
        given.append(f"validation_split = {_number(engine.validation_split)}")
    if engine.early_stopping is not None:
        rule = engine.early_stopping
        given.append(
            "callbacks = list(\n"
            "      keras::callback_early_stopping(\n"
            f'        monitor = "{rule.monitor}",\n'
            f"        min_delta = {_number(rule.min_delta)},\n"
            f"        patience = {rule.patience},\n"
            f"        restore_best_weights = {_value(rule.restore_best_weights)}\n"
            "      )\n"
            "    )"
        )
    first = [f'"{engine.name}"', *given[:-1]]
    return ["  set_engine(", *(f"    {each}," for each in first), f"    {given[-1]}", "  ) |>"]


def _piped(calls: list[str]) -> list[str]:
    return [f"  {call}{' |>' if at < len(calls) - 1 else ''}" for at, call in enumerate(calls)]


def _value(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return f"c({', '.join(map(_value, value))})"


def _vector(values: Any) -> str:
    return f"c({', '.join(map(_value, values))})"


def _vector_of_numbers(values: Any) -> str:
    return f"c({', '.join(map(_number, values))})"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _name(name: str | None) -> str:
    text = name or ""
    if re.fullmatch(r"[A-Za-z.][A-Za-z0-9._]*", text, re.ASCII) and not re.match(r"\.[0-9]", text):
        return text
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"
