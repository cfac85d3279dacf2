"""What the rows of one resample make impossible or doubtful for a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.domain.schema import Value
from service.domain.tune.checks import too_few_rows
from service.engine.resamples.drawing import Resample

What = Literal["one_class", "level_not_trained", "level_not_judged", "fewer_rows_than_a_batch"]


class Doubt(Value):
    """Why a resample cannot be fitted (`stops`), or what its estimates leave out."""

    what: What
    stops: bool
    message: str


def doubts_of(
    resample: Resample,
    *,
    batch_size: int,
    validation_split: float = 0.0,
    codes: NDArray[np.integer] | None = None,
    levels: Sequence[str] = (),
) -> tuple[Doubt, ...]:
    """Return the doubts of one resample, those that stop a fit first.

    Args:
        resample: its rows.
        batch_size: of the candidate.
        validation_split: of the candidate, which trains on what it leaves of the analysis rows.
        codes: (n_rows,) the outcome's classes, 0-based; None for numbers.
        levels: their names, those that no row of the table has included.
    """
    name = resample.id if resample.id2 is None else f"{resample.id}, {resample.id2}"
    found = []
    message = too_few_rows(len(resample.analysis), batch_size, validation_split, name)
    if message is not None:
        found.append(Doubt(what="fewer_rows_than_a_batch", stops=True, message=message))
    if codes is not None:
        found += _of_classes(name, resample, codes, levels)
    return tuple(sorted(found, key=lambda doubt: not doubt.stops))


def _of_classes(
    name: str, resample: Resample, codes: NDArray[np.integer], levels: Sequence[str]
) -> list[Doubt]:
    there = np.bincount(codes, minlength=len(levels)) > 0
    trained = np.bincount(codes[resample.analysis], minlength=len(levels)) > 0
    judged = np.bincount(codes[resample.assessment], minlength=len(levels)) > 0
    if int(trained.sum()) < 2:
        only = _named(trained, levels)
        message = f"Expected two classes or more to train on. {name} has only {only}. Use `strata`."
        return [Doubt(what="one_class", stops=True, message=message)]
    found = []
    if (there & ~trained).any():
        message = (
            f"{name} has no row of {_named(there & ~trained, levels)} to train on: it is never "
            "predicted. Use `strata`."
        )
        found.append(Doubt(what="level_not_trained", stops=False, message=message))
    if (there & ~judged).any():
        message = (
            f"{name} has no row of {_named(there & ~judged, levels)} to judge by: metrics leave it "
            "out or are not defined. Use `strata`."
        )
        found.append(Doubt(what="level_not_judged", stops=False, message=message))
    return found


def _named(which: NDArray[np.bool_], levels: Sequence[str]) -> str:
    names = [levels[at] for at in np.flatnonzero(which).tolist()]
    shown = ", ".join(f"'{name[:64]}'" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
