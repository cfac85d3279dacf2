"""What to try next: the one file that knows Optuna, of which only the samplers are used.

No study of Optuna's outlives a call and none is stored: each is made from our own results.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from service.domain.errors import InvalidSpec
from service.domain.tune.grid import Cell
from service.domain.tune.search_space import Axis, key_in, points_of, unseen, values_at

if TYPE_CHECKING:
    import optuna

# How often the sampler is asked for one candidate before it is drawn at random: of few values,
# what the sampler likes best may all have been tried.
_TRIES: Final = 16

Values = Mapping[str, Cell]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A candidate and how bad it is, the lower the better; None: it could not be judged."""

    values: Values
    badness: float | None


def sampler_name() -> str:
    """Return what proposes, with its version, on which the proposals depend.

    Raises:
        InvalidSpec: Optuna is not installed here.
    """
    _optuna()
    return f"TPE of Optuna {version('optuna')}"


def proposals(
    axes: Sequence[Axis],
    judged: Sequence[Judged],
    count: int,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[dict[str, Cell]] | None:
    """Return `count` new candidates to be trained together, or None when it was stopped.

    The sampler is the multivariate tree-structured Parzen estimator (Bergstra et al., 2011; Falkner
    et al., 2018). It is told each candidate of the round that it has proposed as one that turned
    out badly ("constant liar"), so that they do not lie in one place. A candidate that could not
    be judged counts as worse than all others; before any was, candidates are drawn at random.
    Equal arguments give equal candidates, for one version of Optuna.

    Args:
        axes: the space, in which there are at least `count` candidates that were not judged.
        judged: all candidates so far, in their order.
        count: at least 1.
        seed: below 2^32.
        should_stop: asked before each candidate.

    Raises:
        InvalidSpec: Optuna is not installed here.
    """
    optuna = _optuna()
    seen = {key_in(axes, each.values) for each in judged}
    spare = random.Random(seed)
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True
    )
    study = optuna.create_study(sampler=sampler)
    ranges = {axis.dimension.id: _distribution(axis) for axis in axes}
    if any(each.badness is not None for each in judged):
        study.add_trials([_trial(axes, ranges, each) for each in judged])
    found: list[dict[str, Cell]] = []
    while len(found) < count:
        if should_stop():
            return None
        values = _asked(study, axes, ranges, seen)
        if values is None:
            values = unseen(axes, seen, spare)
            study.add_trial(
                optuna.create_trial(
                    state=optuna.trial.TrialState.RUNNING,
                    params=points_of(axes, values),
                    distributions=ranges,
                )
            )
        seen.add(key_in(axes, values))
        found.append(values)
    return found


def _asked(
    study: optuna.Study, axes: Sequence[Axis], ranges: Mapping[str, Any], seen: set[str]
) -> dict[str, Cell] | None:
    """Return a candidate that the sampler proposes and nobody has seen, None after some tries."""
    for _ in range(_TRIES):
        trial = study.ask(fixed_distributions=dict(ranges))
        values = values_at(axes, trial.params)
        if key_in(axes, values) not in seen:
            return values
        # A trial that failed is none to the sampler.
        study.tell(trial, state=_optuna().trial.TrialState.FAIL)
    return None


def _trial(axes: Sequence[Axis], ranges: Mapping[str, Any], judged: Judged) -> Any:
    optuna = _optuna()
    states = optuna.trial.TrialState
    return optuna.create_trial(
        # What was pruned without any value ranks behind all that have one.
        state=states.PRUNED if judged.badness is None else states.COMPLETE,
        value=judged.badness,
        params=points_of(axes, judged.values),
        distributions=ranges,
    )


def _distribution(axis: Axis) -> Any:
    kinds = _optuna().distributions
    match axis.kind:
        case "real":
            return kinds.FloatDistribution(axis.low, axis.high)
        case "whole":
            return kinds.IntDistribution(int(axis.low), int(axis.high))
        case "place":
            return kinds.CategoricalDistribution(range(int(axis.high) + 1))


def _optuna() -> Any:
    """Return the package, which takes most of a second to import and may not be installed."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise InvalidSpec(
            "Expected the extra `search`, which the grid 'bayes' needs. This worker lacks it. "
            "Install it there with pip install -c docker/constraints.txt -e '.[search]'."
        ) from None
    # Else each study writes a line of its own to the log.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
