"""One candidate of many: tune's select_best(), select_by_one_std_err(), select_by_pct_loss()."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.errors import Conflict, InvalidSpec
from service.domain.metric_names import direction_of
from service.domain.names import did_you_mean
from service.domain.tune.grid import Cell
from service.domain.tune.ranking import Ranked, badness, most_resamples
from service.domain.tune.spec import Rule


def select(
    rows: Sequence[Ranked], by: Rule = "best", *, sort: str | None = None, limit: float = 2.0
) -> Ranked:
    """Return the chosen row of `ranked`, of those that were judged on the most resamples.

    Candidates that a race stopped, or that some resamples lack, are not chosen from.

    "best" is the first. "one_std_err" is the simplest one that is at most a standard error of the
    best one worse than it (Breiman et al., 1984). "pct_loss" is the simplest one, no more complex
    than the best, that loses less than `limit` percent of the best one's mean.

    Args:
        rows: what `ranked` returned for one metric, best first.
        by: the rule.
        sort: ids from simplest to most complex, `-` before one whose high values are simple:
            "penalty,-hidden_units". Equal ones keep the order of their trials.
        limit: percent, above 0.

    Formula:
        loss = |(|mean| - |best|) / best| * 100

    Raises:
        Conflict: there is nothing to choose from, or the rule cannot be applied: one resample has
            no standard error, and of a best mean of 0 there are no percents.
        InvalidSpec: no `sort` where the rule needs one, or one with other names.
    """
    most = most_resamples(rows)
    scored = [
        row
        for row in rows
        if row.mean is not None and row.trial.pruned_at is None and row.n == most
    ]
    if not scored:
        raise Conflict(
            "Expected a candidate that was trained to its end and judged. There is none yet."
        )
    best = scored[0]
    if by == "best":
        return best
    ordered = _simplest_first(scored, sort, by)
    if by == "one_std_err":
        return _within_one_error(ordered, best)
    return _within_loss(ordered, best, limit)


def sort_keys(sort: str) -> tuple[tuple[str, bool], ...]:
    """Return the ids of a `sort` and whether their high values come first.

    Raises:
        InvalidSpec: an empty name.
    """
    keys = []
    for part in sort.split(","):
        name = part.strip()
        descending = name.startswith("-")
        name = name.removeprefix("-").strip()
        if not name:
            raise InvalidSpec(
                f"Expected ids in `sort`, such as 'penalty,-hidden_units'. Received '{sort[:64]}'."
            )
        keys.append((name, descending))
    return tuple(keys)


def _simplest_first(rows: Sequence[Ranked], sort: str | None, by: str) -> list[Ranked]:
    ids = list(rows[0].trial.values)
    if sort is None:
        raise InvalidSpec(
            f"Expected `sort` for by={by}: ids from simplest to most complex, of "
            f"{', '.join(ids) or 'none'}."
        )
    ordered = sorted(rows, key=lambda row: row.trial.trial)
    # The last key first: each sort keeps the order of equal ones.
    for name, descending in reversed(sort_keys(sort)):
        if name not in ids:
            raise InvalidSpec(
                f"Expected ids of this tune in `sort`: {', '.join(ids) or 'it has none'}. "
                f"Received '{name[:64]}'.{did_you_mean(name, ids)}"
            )
        ranks = {row.trial.trial: _rank(row.trial.values[name]) for row in ordered}
        ordered = _sorted(ordered, ranks, descending)
    return ordered


def _sorted(
    rows: Sequence[Ranked], ranks: Mapping[int, tuple[Any, ...]], descending: bool
) -> list[Ranked]:
    # `reverse` keeps the order of equal ones too.
    return sorted(rows, key=lambda row: ranks[row.trial.trial], reverse=descending)


def _rank(cell: Cell) -> tuple[Any, ...]:
    """Return what orders values: numbers, then text, then lists by their length, then none."""
    match cell:
        case None:
            return (3,)
        case str():
            return (1, cell)
        case list():
            return (2, len(cell), [_rank(each) for each in cell])
        case _:
            return (0, cell)


def _within_one_error(ordered: Sequence[Ranked], best: Ranked) -> Ranked:
    if best.std_err is None or best.mean is None:
        raise Conflict(
            "Expected a standard error of the best candidate. Received one estimate of it "
            f"(trial {best.trial.trial}), which has none. Use more resamples, such as 'vfold', or "
            "by=best or by=pct_loss."
        )
    direction = direction_of(best.metric)
    bound = badness(best.mean, direction) + best.std_err
    return next(
        row for row in ordered if row.mean is not None and badness(row.mean, direction) <= bound
    )


def _within_loss(ordered: Sequence[Ranked], best: Ranked, limit: float) -> Ranked:
    if not best.mean:
        raise Conflict(
            "Expected a best mean other than 0, of which a loss is a share. The best "
            f"{best.metric} is 0 (trial {best.trial.trial}). Use by=best or by=one_std_err."
        )
    losses = [
        (abs((abs(row.mean) - abs(best.mean)) / best.mean) * 100, row)
        for row in ordered
        if row.mean is not None
    ]
    at = next(at for at, (loss, _) in enumerate(losses) if loss == 0)
    return next(row for loss, row in losses[: at + 1] if loss < limit or loss == 0)
