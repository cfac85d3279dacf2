"""What a fit asks for that its own fields and the training data's profile contradict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.domain.datasets import Column, Dataset
from service.domain.errors import FieldError
from service.domain.fit import (
    CLASSIFICATION_EPOCH_METRICS,
    CLASSIFICATION_LOSSES,
    REGRESSION_EPOCH_METRICS,
    REGRESSION_LOSSES,
    FitSpec,
    Mode,
)
from service.domain.metric_names import metrics_of
from service.domain.names import did_you_mean
from service.domain.roles import WithRoles


def training_rows(n_rows: int, validation_split: float) -> int:
    """Return how many of the first rows train; the rest validate. Keras's arithmetic, to the bit.

    Formula: floor(n_rows * (1 - validation_split)), as keras.src.trainers.data_adapters
    .array_slicing.train_validation_split computes it.
    """
    return math.floor(n_rows * (1.0 - validation_split))


def wrong_outcome(
    spec: FitSpec, mode: Mode, outcomes: Sequence[Column], training: Dataset
) -> list[FieldError]:
    """Return why the outcome cannot be learned in this mode; `outcomes` are its columns."""
    first = outcomes[0]
    if mode == "regression":
        nominal = [column for column in outcomes if not column.is_numeric]
        return [
            field_error(
                ("mode",) if spec.mode else ("outcome",),
                f"Expected a numeric outcome for regression. Received '{column.name}', which is "
                f"{column.type}. Use mode 'classification'.",
            )
            for column in nominal[:1]
        ]
    if len(outcomes) > 1:
        names = ", ".join(f"'{column.name}'" for column in outcomes[:5])
        return [
            field_error(
                ("outcome",),
                f"Expected one outcome for classification. Received {len(outcomes)}: {names}. "
                "Several are for regression, all numeric.",
            )
        ]
    if first.is_numeric:
        option = f'options {{"columns": {{"{first.name}": {{"type": "factor"}}}}}}'
        return [
            field_error(
                ("mode",),
                f"Expected a factor as the outcome of a classification. Received '{first.name}', "
                f"which is {first.type} in dataset '{training.name}'. Declare it a factor at "
                f"upload, with {option}, or use mode 'regression'.",
            )
        ]
    if first.levels is None:
        return [
            field_error(
                ("outcome",),
                f"Expected an outcome with few values. Received '{first.name}' with "
                f"{first.n_unique} of them.",
            )
        ]
    if first.n_unique < 2:
        return [
            field_error(
                ("outcome",),
                f"Expected at least two classes in the rows of '{first.name}'. Received "
                f"{first.n_unique}. One class cannot be told from others.",
            )
        ]
    return []


def wrong_weights(spec: WithRoles, training: Dataset) -> list[FieldError]:
    """Return why the case weights cannot be used."""
    name = spec.case_weights
    if name is None:
        return []
    loc = ("case_weights",)
    if name in spec.outcomes:
        msg = f"Expected a column that is not an outcome. Received '{name}', which is one."
        return [field_error(loc, msg)]
    column = training.require(name, "body", *loc)
    if not column.is_numeric:
        return [
            field_error(
                loc, f"Expected numeric weights. Received '{name}', which is {column.type}."
            )
        ]
    if column.min is not None and column.min < 0:
        msg = f"Expected weights of 0 or more. Received '{name}', whose lowest is {column.min:g}."
        return [field_error(loc, msg)]
    if not column.max:
        return [field_error(loc, f"Expected a weight above 0. Received '{name}', which has none.")]
    return []


def wrong_ids(spec: WithRoles, training: Dataset) -> list[FieldError]:
    """Return which id columns have another role too.

    Raises:
        InvalidSpec: an id column is not there.
    """
    found = []
    for name in spec.ids:
        training.require(name, "body", "id")
        role = spec.roles[name]
        if role != "id":
            msg = f"Expected a column without another role. Received '{name}', the {role}."
            found.append(field_error(("id",), msg))
    return found


def wrong_engine(spec: FitSpec, mode: Mode, outcome: Column) -> list[FieldError]:
    """Return which loss, metrics and class weights do not fit the mode and the outcome."""
    found: list[FieldError] = []
    classifies = mode == "classification"
    losses = CLASSIFICATION_LOSSES if classifies else REGRESSION_LOSSES
    if spec.engine.loss is not None and spec.engine.loss not in losses:
        msg = f"Expected a loss of {mode}: {', '.join(losses)}. Received '{spec.engine.loss}'."
        found.append(field_error(("engine", "loss"), msg))
    metrics = CLASSIFICATION_EPOCH_METRICS if classifies else REGRESSION_EPOCH_METRICS
    found += [
        field_error(
            ("engine", "metrics", index),
            f"Expected a metric of {mode}: {', '.join(metrics)}. Received '{name}'.",
        )
        for index, name in enumerate(spec.engine.metrics)
        if name not in metrics
    ]
    weights = spec.engine.class_weight
    if weights is not None and not classifies:
        msg = "Expected no class_weight for regression. Remove it, or use case_weights."
        found.append(field_error(("engine", "class_weight"), msg))
    elif weights is not None:
        levels = outcome.levels or ()
        found += [
            field_error(
                ("engine", "class_weight", level),
                f"Expected a level of '{outcome.name}'. Received '{level[:64]}'."
                f"{did_you_mean(level, levels)}",
            )
            for level in weights
            if level not in levels
        ]
    return found


def wrong_split(spec: FitSpec, n_rows: int) -> list[FieldError]:
    """Return why the validation split leaves nothing to train on or to validate with.

    `n_rows` are those that the fit sees.
    """
    split = spec.engine.validation_split
    if split == 0:
        return []
    rows = training_rows(n_rows, split)
    if 0 < rows < n_rows:
        return []
    kind = "train" if rows == 0 else "validate"
    msg = (
        f"Expected a validation_split that leaves rows to train and rows to validate. Received "
        f"{split:g} of {n_rows} rows, which leaves none to {kind}."
    )
    return [field_error(("engine", "validation_split"), msg)]


def wrong_metrics(spec: FitSpec, mode: Mode) -> list[FieldError]:
    """Return which metrics of `evaluate` the mode does not know."""
    known = metrics_of(mode)
    found: list[FieldError] = []
    for at, wanted in enumerate(spec.evaluate):
        names = wanted.metrics or []
        for index, name in enumerate(names):
            loc = ("evaluate", at, "metrics", index)
            if name not in known:
                msg = (
                    f"Expected a metric of {mode}: {', '.join(known)}. Received '{name}'."
                    f"{did_you_mean(name, known)}"
                )
                found.append(field_error(loc, msg))
            elif name in names[:index]:
                found.append(
                    field_error(loc, f"Expected each metric once. Received '{name}' twice.")
                )
    return found


def field_error(loc: tuple[str | int, ...], msg: str) -> FieldError:
    """Return the error of one field of the body."""
    return FieldError(loc=("body", *loc), msg=msg)
