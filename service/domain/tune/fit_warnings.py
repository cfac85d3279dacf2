"""What a tune's fits warned of: each distinct line once, with who said it."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.tune.results import TrialResult

# A tune of many recipes may warn of as many things; the rest is counted.
MAX_LINES = 100
_MAX_GROUPS = 5

Key = tuple[int, int]


def told_once(results: Iterable[TrialResult]) -> tuple[str, ...]:
    """Return each distinct warning of some results, with the trials and folds that gave it.

    In the order in which trials and folds gave them first, at most `MAX_LINES` and a line that
    counts the others: "recipe: zv: ... (trials 1-24, folds 1-5)".
    """
    said: dict[str, list[Key]] = {}
    for each in sorted(results, key=lambda result: (result.trial, result.fold)):
        for line in each.warnings:
            said.setdefault(line, []).append((each.trial, each.fold))
    lines = [f"{line} ({named(keys)})" for line, keys in list(said.items())[:MAX_LINES]]
    more = len(said) - MAX_LINES
    return (*lines, f"and {more} more warnings of fits") if more > 0 else tuple(lines)


def named(keys: Iterable[Key]) -> str:
    """Return fits in words, trials that have the same folds together: "trials 1-3, fold 2"."""
    folds: dict[int, set[int]] = {}
    for trial, fold in keys:
        folds.setdefault(trial, set()).add(fold)
    groups: dict[tuple[int, ...], list[int]] = {}
    for trial, own in folds.items():
        groups.setdefault(tuple(sorted(own)), []).append(trial)
    words = [f"{_counted('trial', own)}, {_counted('fold', of)}" for of, own in groups.items()]
    more = len(words) - _MAX_GROUPS
    return "; ".join([*words[:_MAX_GROUPS], *([f"and {more} more groups"] if more > 0 else [])])


def _counted(noun: str, numbers: Iterable[int]) -> str:
    """Return whole numbers with their runs drawn together: "trials 1-3, 7"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    told = ["-".join(map(str, run)) for run in runs]
    more = len(told) - _MAX_GROUPS
    shown = ", ".join(told[:_MAX_GROUPS]) + (f" and {more} more runs" if more > 0 else "")
    return f"{noun}{'' if len(runs) == 1 and len(runs[0]) == 1 else 's'} {shown}"
