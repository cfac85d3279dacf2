"""A fit as the plan sees it: what must be equal in a cohort, and what its training costs."""

from __future__ import annotations

import json

from service.domain.fit import FitSpec, Mode
from service.domain.network import network_of
from service.domain.optimizers import Optimizer, optimizer_of
from service.domain.schema import Value

# Everything else may differ between the fits of one cohort.
_SHARED = {
    "rows", "n_rows", "n_validation", "predictors", "outcomes", "outputs", "mode", "case_weights",
    "shuffle_seed", "optimizer", "batch_size", "loss", "metrics", "has_l1", "max_seconds",
}  # fmt: skip


class PlannedFit(Value):
    """What of a resolved fit decides its company and its cost.

    `rows` names the baked tables: fits with equal `rows` come from the same datasets, resample and
    recipe. `n_rows` train, `n_validation` validate each epoch. `hidden` are the widths of the
    hidden layers, the first of which are the rows that the fit takes in its cohort. `masked_units`
    are the units behind which a Dropout follows. `has_l1` tells whether the penalty has a part in
    |w|: it is another program than one with squares alone.
    """

    rows: str
    n_rows: int
    n_validation: int
    predictors: int
    outcomes: tuple[str, ...]
    outputs: int
    mode: Mode
    case_weights: str | None
    shuffle_seed: int
    optimizer: Optimizer
    batch_size: int
    loss: str
    metrics: tuple[str, ...]
    has_l1: bool
    max_seconds: float | None
    hidden: tuple[int, ...]
    masked_units: int
    epochs: int

    @property
    def height(self) -> int:
        """Rows that the fit takes in its cohort's first kernel."""
        return self.hidden[0]

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.hidden)

    @property
    def key(self) -> str:
        """What is equal for fits that may train together, as JSON text."""
        shared = self.model_dump(mode="json", include=_SHARED)
        return json.dumps({**shared, "depth": self.depth}, sort_keys=True)


def planned(
    spec: FitSpec, *, rows: str, n_rows: int, n_validation: int, predictors: int, outputs: int
) -> PlannedFit:
    """Return what a plan needs to know of a fit.

    Args:
        spec: a resolved spec.
        rows: a name for the baked tables: datasets, resample and recipe.
        n_rows: rows that train.
        n_validation: rows on which each epoch is validated, 0 for none.
        predictors: columns that the recipe leaves.
        outputs: the number of classes, or of outcomes in regression.

    Raises:
        ValueError: the spec is not resolved.
    """
    model, engine = spec.model, spec.engine
    if spec.mode is None or engine.loss is None or engine.shuffle_seed is None:
        raise ValueError("Expected a resolved spec. Received one with an open field.")
    network = network_of(spec, predictors, outputs)
    return PlannedFit(
        rows=rows,
        n_rows=n_rows,
        n_validation=n_validation,
        predictors=predictors,
        outcomes=spec.outcomes,
        outputs=outputs,
        mode=spec.mode,
        case_weights=spec.case_weights,
        shuffle_seed=engine.shuffle_seed,
        optimizer=optimizer_of(engine.optimizer),
        batch_size=engine.batch_size,
        loss=engine.loss,
        metrics=tuple(engine.metrics),
        has_l1=model.penalty > 0 and model.mixture > 0,
        max_seconds=engine.max_seconds,
        hidden=network.hidden,
        masked_units=sum(
            width for width, rate in zip(network.hidden, network.dropouts, strict=True) if rate > 0
        ),
        epochs=model.epochs,
    )
