"""What to do with a table, decided from its profile, and said: outcome, predictors, fits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SEEDS = [87591, 536, 27860]
# A numeric outcome with at most so many whole values is taken for class labels.
MAX_LABELS = 20
MAX_CLASSES = 1000
# The chapter's fits take 20 epochs of 1,875 steps; a small table gets more epochs, since a fit of
# 20 x 43 steps would show nothing.
CHAPTER_EPOCHS = 20
WANTED_STEPS = 6000
BATCH_SIZE = 32
MAX_EPOCHS = 150


class NotForUs(Exception):
    """The walk cannot be made with this table; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learned from which columns. `remarks` are for the person who watches."""

    mode: str
    outcome: str
    removed: tuple[str, ...]
    predictors: tuple[str, ...]
    side: int | None
    remarks: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics asked for on the test rows; the first one is the table's."""
        return ("accuracy", "roc_auc") if self.mode == "classification" else ("rmse", "rsq")


@dataclass(frozen=True, kw_only=True)
class PlannedFit:
    """One row of the table: a label and what differs from the defaults."""

    label: str
    name: str
    scaled: bool = True
    model: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)

    def body(self, task: Task, training: str, test: str) -> dict[str, Any]:
        """Return the body of `POST /v1/jobs`."""
        return {
            "kind": "fit",
            "name": self.name,
            "dataset": training,
            "outcome": task.outcome,
            "mode": task.mode,
            "recipe": recipe(task, scaled=self.scaled),
            "model": {"seeds": SEEDS, **self.model},
            "engine": {"batch_size": BATCH_SIZE, **self.engine},
            "evaluate": [{"dataset": test, "metrics": list(task.metrics)}],
        }


def recipe(task: Task, *, scaled: bool) -> list[dict[str, Any]]:
    """Return the recipe: without the columns that no step here handles; scaled or raw."""
    steps: list[dict[str, Any]] = []
    if task.removed:
        steps.append({"step": "remove", "columns": list(task.removed)})
    if scaled:
        steps += [{"step": "zv"}, {"step": "normalize"}]
    return steps


def labels_of(column: Mapping[str, Any], n_rows: int) -> bool:
    """Return whether a column's values are classes rather than numbers.

    Text, logical and factor columns are; a numeric one when its values are few and whole.
    """
    if column["type"] not in ("numeric", "integer"):
        return True
    few = 2 <= column["n_unique"] <= min(MAX_LABELS, max(2, n_rows // 10))
    return bool(few and float(column["min"]).is_integer() and float(column["max"]).is_integer())


def in_order(levels: Sequence[str]) -> list[str]:
    """Return levels by value when all are numbers, else by code point."""
    try:
        return sorted(levels, key=float)
    except ValueError:
        return sorted(levels)


def task_of(dataset: Mapping[str, Any], test: Mapping[str, Any], outcome: str) -> Task:
    """Return what to do with a training table whose outcome already has its final type.

    Raises:
        NotForUs: there is nothing to predict, or nothing to predict it from.
    """
    columns = {column["name"]: column for column in dataset["columns"]}
    if outcome not in columns:
        shown = ", ".join(list(columns)[:12])
        raise NotForUs(f"Expected --outcome to be one of {shown}, ... Received '{outcome}'.")
    target = columns.pop(outcome)
    if target["n_missing"]:
        raise NotForUs(f"The outcome '{outcome}' has {target['n_missing']} missing values.")
    numeric = target["type"] in ("numeric", "integer")
    lacking = {column["name"] for column in test["columns"] if column["n_missing"]}
    removed: dict[str, list[str]] = {"not numeric": [], "missing values": []}
    for name, column in columns.items():
        if column["type"] not in ("numeric", "integer"):
            removed["not numeric"].append(name)
        elif column["n_missing"] or name in lacking:
            removed["missing values"].append(name)
    left_out = [name for names in removed.values() for name in names]
    predictors = [name for name in columns if name not in left_out]
    if not predictors:
        raise NotForUs("No numeric predictor without missing values is left.")
    remarks = [f"Left out for {why}: {_some(names)}" for why, names in removed.items() if names]
    return Task(
        mode="regression" if numeric else "classification",
        outcome=outcome,
        removed=tuple(left_out),
        predictors=tuple(predictors),
        side=_side(predictors),
        remarks=tuple(remarks),
    )


def fits_of(task: Task, n_rows: int) -> list[PlannedFit]:
    """Return the chapter's fits, with as many epochs as a table of this size needs."""
    steps = math.ceil(n_rows / BATCH_SIZE)
    epochs = min(MAX_EPOCHS, max(CHAPTER_EPOCHS, math.ceil(WANTED_STEPS / steps)))
    longer = {"epochs": epochs * 5 // 2}
    relu = {"hidden_units": 30, "activation": "relu"}
    classes = task.mode == "classification"
    watched = {"validation_split": 1 / 6, "metrics": ["accuracy"] if classes else []}
    stopping = {"monitor": "val_loss", "min_delta": 0, "patience": 10}

    def fit(
        label: str,
        name: str,
        model: Mapping[str, Any],
        engine: Mapping[str, Any] | None = None,
        *,
        scaled: bool = True,
    ) -> PlannedFit:
        full = {"epochs": epochs, **model}
        return PlannedFit(label=label, name=name, scaled=scaled, model=full, engine=engine or {})

    return [
        fit("5 softmax units, raw", "raw", {}, scaled=False),
        fit("5 softmax units", "small", {}),
        fit("30 softmax units", "softmax", {"hidden_units": 30}),
        fit("30 relu units", "relu", relu),
        fit("relu, penalty 1e-4", "penalty", {**relu, "penalty": 1e-4}),
        fit("relu, dropout 0.1", "dropout", {**relu, "dropout": 0.1}),
        fit("relu, longer, validated", "longer", {**relu, **longer}, watched),
        fit(
            "relu, early stopping",
            "early",
            {**relu, "epochs": epochs * 10},
            {**watched, "early_stopping": stopping},
        ),
    ]


def _side(predictors: Sequence[str]) -> int | None:
    """Return the width of square pictures when the predictors are x1, x2, ... of them."""
    side = math.isqrt(len(predictors))
    names = [f"x{at}" for at in range(1, len(predictors) + 1)]
    return (
        side if side > 1 and side * side == len(predictors) and list(predictors) == names else None
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} and {len(names) - 6} more" if len(names) > 6 else shown
