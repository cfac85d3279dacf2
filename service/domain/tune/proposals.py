"""Candidates that a search proposes once others were judged."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.fit import FitSpec
from service.domain.schema import Value
from service.domain.tune.candidates import Candidate, candidates, proposed
from service.domain.tune.combinations import dimensions
from service.domain.tune.grid import Cell
from service.domain.tune.placeholders import placeholders
from service.domain.tune.spec import TuneSpec


class Proposal(Value):
    """The values of a candidate that was proposed; `trial` counts all candidates, from 1."""

    trial: int
    values: dict[str, Cell]


def known_candidates(spec: TuneSpec, proposals: Sequence[Proposal]) -> tuple[Candidate, ...]:
    """Return the candidates of a tune that are known: see `candidates`, and what was proposed."""
    found = candidates(spec)
    return (*found, *proposed_candidates(spec, len(found), proposals))


def proposed_candidates(
    spec: TuneSpec, initial: int, proposals: Sequence[Proposal]
) -> tuple[Candidate, ...]:
    """Return proposals as candidates; `initial` is how many were known without any."""
    return tuple(
        proposed(spec, each.trial, each.trial - initial, each.values) for each in proposals
    )


def most_epochs(spec: TuneSpec, able: Sequence[FitSpec]) -> int:
    """Return the most epochs that a candidate not known yet may have.

    Args:
        spec: the tune, of kind "bayes".
        able: the fits of candidates that are known, at least one.
    """
    known = max(each.model.epochs for each in able)
    for name, places in placeholders(spec.fit).items():
        if places[0].argument == "model.epochs":
            axis = next(each for each in dimensions(spec) if each.id == name)
            ends = axis.values or (axis.number(axis.high, round),)
            return max([known, *(each for each in ends if isinstance(each, int))])
    return known
