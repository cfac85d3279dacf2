"""A member: one fit's network and all that may differ between the fits of one cohort."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.fit import EarlyStopping, FitSpec
from service.domain.network import Network, network_of, penalised_layers


@dataclass(frozen=True, kw_only=True)
class Member:
    """One network to train, with its seeds, penalty, step size and stopping rule.

    `penalties[i]` is the penalty on hidden kernel i, which adds
    `penalty * ((1 - mixture) * sum(w**2) + mixture * sum(|w|))` to the loss
    (keras.regularizers.L1L2 with l2 = penalty * (1 - mixture), l1 = penalty * mixture).
    `class_weights` has a weight for each output, or is None.
    """

    network: Network
    penalties: tuple[float, ...]
    mixture: float
    learn_rate: float
    seeds: tuple[int, int, int]
    epochs: int
    class_weights: tuple[float, ...] | None = None
    early_stopping: EarlyStopping | None = None
    terminate_on_nan: bool = True

    @property
    def height(self) -> int:
        """Rows that this member takes in the cohort's first kernel."""
        return self.network.hidden[0]


def member_of(spec: FitSpec, *, predictors: int, levels: tuple[str, ...] | None) -> Member:
    """Return the member that a resolved spec asks for.

    Args:
        spec: a spec whose mode and seeds are filled in.
        predictors: columns that the recipe leaves.
        levels: the outcome's classes in order, or None in regression.
    """
    model, engine = spec.model, spec.engine
    if model.seeds is None:
        raise ValueError("Expected a resolved spec with seeds. Received seeds=None.")
    network = network_of(spec, predictors, len(levels) if levels else len(spec.outcomes))
    penalised = set(penalised_layers(spec))
    weights = engine.class_weight
    return Member(
        network=network,
        penalties=tuple(
            model.penalty if layer in penalised else 0.0 for layer in range(len(network.hidden))
        ),
        mixture=model.mixture,
        learn_rate=model.learn_rate,
        seeds=(model.seeds[0], model.seeds[1], model.seeds[2]),
        epochs=model.epochs,
        class_weights=(
            tuple(float(weights.get(level, 1.0)) for level in levels)
            if weights is not None and levels is not None
            else None
        ),
        early_stopping=engine.early_stopping,
        terminate_on_nan=engine.terminate_on_nan,
    )
