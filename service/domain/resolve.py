"""From a fit as asked to a fit as it will be run: nothing is left open, nothing wrong gets by."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.domain.datasets import Column, Dataset
from service.domain.errors import FieldError, FitpointError, InvalidSpec, MissingValues
from service.domain.fit import FitSpec, Loss, Mode
from service.domain.last_fit import seeded_split, seen_rows, wrong_last_fit
from service.domain.metric_names import default_metrics
from service.domain.network import network_of
from service.domain.other_data import disagreements
from service.domain.recipe_outcome import Surviving, predictors_after
from service.domain.schema import MAX_PARAMETERS, Spec
from service.domain.spec_checks import (
    field_error,
    training_rows,
    wrong_engine,
    wrong_ids,
    wrong_metrics,
    wrong_outcome,
    wrong_split,
    wrong_weights,
)

# Of the tables and the network as float32, before anything is built.
MAX_MEMORY_BYTES = 64 * 2**30
_FLOAT32 = 4
# Steps whose result has columns that depend on the rows they learn from.
_DECIDED_BY_ROWS = frozenset(
    (
        "zv",
        "nzv",
        "corr",
        "lincomb",
        "filter_missing",
        "naomit",
        "dummy",
        "other",
        "discretize",
        "pca",
    )
)
# Weights, gradients and two moments of the optimizer.
_COPIES_OF_WEIGHTS = 4


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A fit that can be queued, and what the profiles tell of its network.

    `spec` has its mode, loss, seeds, shuffle seed and evaluation metrics filled in. `predictors`
    are the baked predictors; with `exact` False, preparing the recipe on the analysis rows may
    leave fewer of them, and fewer parameters. `outputs` are the classes, or the outcomes in
    regression; `n_rows` train, `n_validation` validate each epoch. `memory_bytes` is what the
    tables and the network take in training, a lower bound.
    """

    spec: FitSpec
    predictors: tuple[str, ...]
    outputs: int
    n_rows: int
    n_validation: int
    n_parameters: int
    exact: bool
    memory_bytes: int


def resolve(
    spec: FitSpec,
    training: Dataset,
    validation: Dataset | None = None,
    evaluations: Mapping[str, Dataset] | None = None,
    *,
    draw: Callable[[], int] = lambda: secrets.randbelow(2**31),
) -> Resolved:
    """Return the fit with everything filled in, or raise what spec and profiles decide.

    Args:
        spec: the fit as asked.
        training: the dataset that `spec.dataset` names.
        validation: the dataset that `spec.engine.validation_dataset` names, if any.
        evaluations: the datasets that `spec.evaluate` names, by the name used there.
        draw: one seed in 0..2**31-1, called three times when the spec has no seeds, and for a
            split without one.

    Raises:
        InvalidSpec: a field contradicts another or the columns; every such field is named.
        MissingValues: the outcome, the weights or a predictor of the network has missing values.
        NoPredictors: the recipe leaves none.
    """
    outcomes = _outcomes(spec, training)
    mode = _mode(spec, outcomes)
    wrong = [
        *wrong_outcome(spec, mode, outcomes, training),
        *wrong_weights(spec, training),
        *wrong_ids(spec, training),
        *wrong_engine(spec, mode, outcomes[0]),
        *wrong_last_fit(spec, training),
        *wrong_split(spec, seen_rows(spec, training.n_rows)),
        *wrong_metrics(spec, mode),
    ]
    if wrong:
        raise InvalidSpec(_first(wrong), errors=wrong)
    _refuse_gaps(spec, outcomes, training)
    surviving = _predictors(spec, training)
    wrong = _wrong_other_data(spec, surviving, training, validation, evaluations or {})
    if wrong:
        raise InvalidSpec(_first(wrong), errors=wrong)
    filled = seeded_split(_filled(spec, mode, draw), draw)
    outputs = len(outcomes[0].levels or ()) if mode == "classification" else len(outcomes)
    n_parameters = network_of(filled, len(surviving.names), outputs).n_parameters
    memory_bytes = _memory(filled, training, validation, len(surviving.names), n_parameters)
    _refuse_size(n_parameters, memory_bytes)
    seen = seen_rows(spec, training.n_rows)
    n_rows = training_rows(seen, spec.engine.validation_split)
    return Resolved(
        spec=filled,
        predictors=surviving.names,
        outputs=outputs,
        n_rows=n_rows,
        n_validation=seen - n_rows if validation is None else validation.n_rows,
        n_parameters=n_parameters,
        exact=surviving.exact and (n_rows == training.n_rows or not _learns_columns(spec)),
        memory_bytes=memory_bytes,
    )


def derived_shuffle_seed(seeds: Sequence[int]) -> int:
    """Return the shuffle seed that follows from the three seeds, in 0..2**31-1.

    Formula: the first 31 bits of sha256("shuffle:a,b,c").
    """
    text = "shuffle:" + ",".join(str(seed) for seed in seeds)
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:4], "big") >> 1


def spec_sha256(spec: Spec) -> str:
    """Return the hash of what decides a job's result: all but its name, its priority and its tags.

    Formula: sha256 of the JSON text with sorted keys and no spaces, in UTF-8.
    """
    decisive = spec.model_dump(mode="json", exclude={"name", "priority", "tags"})
    text = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _outcomes(spec: FitSpec, training: Dataset) -> tuple[Column, ...]:
    names = spec.outcomes
    if len(set(names)) != len(names):
        raise _refused(("outcome",), f"Expected each outcome once. Received {list(names)}.")
    return tuple(training.require(name, "body", "outcome") for name in names)


def _mode(spec: FitSpec, outcomes: Sequence[Column]) -> Mode:
    if spec.mode is not None:
        return spec.mode
    return "classification" if not all(column.is_numeric for column in outcomes) else "regression"


def _refuse_gaps(spec: FitSpec, outcomes: Sequence[Column], training: Dataset) -> None:
    columns = [(column, ("outcome",)) for column in outcomes]
    if spec.case_weights is not None:
        columns.append((training.require(spec.case_weights), ("case_weights",)))
    errors = [
        field_error(
            loc,
            f"Expected no missing values in '{column.name}'. Received {column.n_missing} in "
            f"{training.n_rows} rows. Remove these rows.",
        )
        for column, loc in columns
        if column.n_missing
    ]
    if errors:
        raise MissingValues(_first(errors), errors=errors)


def _predictors(spec: FitSpec, training: Dataset) -> Surviving:
    roles = spec.roles
    columns = [column for column in training.columns if column.name not in roles]
    try:
        return predictors_after(spec.recipe, columns, n_rows=training.n_rows)
    except FitpointError as error:
        placed = [field.model_copy(update={"loc": ("body", *field.loc)}) for field in error.errors]
        raise type(error)(error.detail, errors=placed) from None


def _wrong_other_data(
    spec: FitSpec,
    surviving: Surviving,
    training: Dataset,
    validation: Dataset | None,
    evaluations: Mapping[str, Dataset],
) -> list[FieldError]:
    others: list[tuple[Dataset, tuple[str | int, ...]]] = []
    if validation is not None:
        others.append((validation, ("body", "engine", "validation_dataset")))
    others += [
        (evaluations[wanted.dataset], ("body", "evaluate", at, "dataset"))
        for at, wanted in enumerate(spec.evaluate)
    ]
    return [
        field
        for other, loc in others
        for field in disagreements(
            training,
            other,
            predictors=surviving.read,
            gapless=surviving.gapless,
            outcomes=spec.outcomes,
            loc=loc,
        )
    ]


def _filled(spec: FitSpec, mode: Mode, draw: Callable[[], int]) -> FitSpec:
    engine, model = spec.engine, spec.model
    seeds = model.seeds or [draw(), draw(), draw()]
    shuffle_seed = engine.shuffle_seed
    if shuffle_seed is None:
        shuffle_seed = derived_shuffle_seed(seeds)
    update = {"loss": engine.loss or _loss(spec, mode), "shuffle_seed": shuffle_seed}
    evaluate = [
        wanted.model_copy(update={"metrics": wanted.metrics or list(default_metrics(mode))})
        for wanted in spec.evaluate
    ]
    return spec.model_copy(
        update={
            "mode": mode,
            "model": model.model_copy(update={"seeds": seeds}),
            "engine": engine.model_copy(update=update),
            "evaluate": evaluate,
        }
    )


def _loss(spec: FitSpec, mode: Mode) -> Loss:
    if mode == "regression":
        return "mean_squared_error"
    return "binary_crossentropy" if spec.engine.name == "keras" else "categorical_crossentropy"


def _learns_columns(spec: FitSpec) -> bool:
    """Return whether a step decides by the rows which columns stay."""
    return any(step.step in _DECIDED_BY_ROWS for step in spec.recipe)


def _memory(
    spec: FitSpec, training: Dataset, validation: Dataset | None, predictors: int, parameters: int
) -> int:
    rows = training.n_rows + (validation.n_rows if validation is not None else 0)
    batch = min(spec.engine.batch_size, training.n_rows)
    return _FLOAT32 * ((rows + batch) * predictors + _COPIES_OF_WEIGHTS * parameters)


def _refuse_size(n_parameters: int, memory_bytes: int) -> None:
    if n_parameters > MAX_PARAMETERS:
        raise _refused(
            ("model", "hidden_units"),
            f"Expected at most {MAX_PARAMETERS:,} parameters. Received a network of "
            f"{n_parameters:,}. Use fewer units, layers or predictors.",
        )
    if memory_bytes > MAX_MEMORY_BYTES:
        raise _refused(
            ("dataset",),
            f"Expected a fit that takes at most {MAX_MEMORY_BYTES / 2**30:.0f} GiB of memory. "
            f"Received one of {memory_bytes / 2**30:.1f} GiB. Use fewer rows or predictors.",
        )


def _first(errors: Sequence[FieldError]) -> str:
    place = ".".join(str(part) for part in errors[0].loc[1:])
    return f"{place}: {errors[0].msg}"


def _refused(loc: tuple[str | int, ...], msg: str) -> InvalidSpec:
    field = field_error(loc, msg)
    return InvalidSpec(_first([field]), errors=[field])
