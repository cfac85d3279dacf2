"""The bootstrap: scores of resamples of the rows, and the intervals that they span.

Efron and Tibshirani (1993), percentile intervals. A resample is how often each row is in it, so
that scores of many resamples are a few products, and two models can be given the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from service.domain.evaluations import Bootstrap, Interval
from service.domain.fit import Mode
from service.engine.metrics.outcome import Floats
from service.engine.metrics.scoring import Judged, computed

# Counts of rows that are held at once: 16 MB as float64, and a few arrays of that size beside.
_HELD = 2_000_000


def resamples(n: int, times: int, seed: int, cells: int = 0) -> Iterator[Floats]:
    """Yield how often each of `n` rows is in resamples of `n` rows, (some, n), `times` in all.

    The same seed gives the same resamples, in whatever portions they come: each takes as much as
    `n` or `cells` numbers.
    """
    draw = np.random.default_rng(seed)
    portion = max(1, _HELD // max(n, cells, 1))
    for start in range(0, times, portion):
        size = min(portion, times - start)
        rows = draw.integers(0, n, (size, n)) if n else np.empty((size, 0), dtype=np.int64)
        rows += n * np.arange(size)[:, np.newaxis]
        counts = np.bincount(rows.ravel(), minlength=size * n)
        yield counts.reshape(size, n).astype(np.float64)


def replicates(
    names: Sequence[str],
    models: Sequence[Judged],
    levels: Sequence[str] | None,
    mode: Mode,
    bootstrap: Bootstrap,
) -> list[dict[str, Floats]]:
    """Return each model's scores by name, (resamples,), of the same resamples of the same rows.

    Args:
        names: metrics of the mode.
        models: one model's answers or several's, to the same rows.
        levels: the classes in order, or None.
        mode: what the models do.
        bootstrap: how many resamples, with a seed.

    Raises:
        ValueError: the bootstrap has no seed.
    """
    if bootstrap.seed is None:
        raise ValueError("Expected a bootstrap with its seed. Received one without.")
    found: list[dict[str, list[Floats]]] = [{name: [] for name in names} for _ in models]
    # A resample of classes has its own confusion table.
    cells = len(levels or ()) ** 2
    for counts in resamples(len(models[0].truth), bootstrap.times, bootstrap.seed, cells):
        for rows, scores in zip(models, found, strict=True):
            if not rows.is_finite:
                continue
            for name, score in computed(names, rows, levels, mode, counts).items():
                scores[name].append(np.asarray(score.value))
    nothing = np.full(bootstrap.times, np.nan)
    return [
        {name: np.concatenate(parts) if parts else nothing for name, parts in scores.items()}
        for scores in found
    ]


def interval(values: Floats, level: float) -> Interval | None:
    """Return the interval of a score over resamples; None when none of them has a score.

    Its ends are the quantiles at `(1 - level) / 2` and `(1 + level) / 2` (R's type 7).
    """
    defined = values[np.isfinite(values)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    spread = float(defined.std(ddof=1)) if len(defined) > 1 else None
    return Interval(low=low, high=high, std_err=spread, times=len(defined))


def intervals(
    names: Sequence[str],
    rows: Judged,
    levels: Sequence[str] | None,
    mode: Mode,
    bootstrap: Bootstrap,
) -> dict[str, Interval | None]:
    """Return the interval of each score of one model's answers."""
    found: Mapping[str, Floats] = replicates(names, [rows], levels, mode, bootstrap)[0]
    return {name: interval(found[name], bootstrap.level) for name in names}
