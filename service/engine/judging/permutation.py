"""Permutation importance: how much worse a model does when a column tells it nothing any more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engine.activations import Matrix
from service.engine.judging.comparison import worse_by
from service.engine.judging.judged_rows import answers_of
from service.engine.judging.picked_rows import PickedRows, Shuffled
from service.engine.metrics.scoring import Judged, computed
from service.engine.predictor import Predictor
from service.engine.recipe import ColumnSource

# Units of a layer that are held at once: 16 MB as float32.
_HELD = 4_000_000


class Importance(NamedTuple):
    """How much worse a score is with one column shuffled, the mean and its standard error."""

    column: str
    importance: float
    std_err: float


class Importances(NamedTuple):
    """The score of the rows as they are, their number, and the columns, most important first."""

    score: float
    n: int
    columns: list[Importance]


def importances(
    predictor: Predictor,
    source: ColumnSource,
    metric: str,
    *,
    times: int = 5,
    rows: int = 2000,
    seed: int = 1,
) -> Importances:
    """Return how much a score depends on each raw column that the model reads.

    Breiman (2001), Fisher, Rudin and Dominici (2019): a column's values are shuffled over the rows,
    and the score is compared with that of the rows as they are; positive is worse. A column that
    others can stand in for looks unimportant. The same shuffles are used for every column, so that
    a column's importance does not depend on which others there are.

    Where no other raw column has a say in what the recipe makes of a column, shuffling it moves the
    first layer's sums by `(shuffled - baked) @ kernel[its places]`, one product for all shuffles;
    else, as after `pca`, rows are baked again.

    Args:
        predictor: the model.
        source: rows with the outcome.
        metric: a metric of the model's mode.
        times: shuffles of each column, 1 or more; the standard error needs 2.
        rows: of more rows, so many drawn without replacement are used.
        seed: decides the rows and the shuffles.

    Raises:
        InvalidData, MissingValues: the rows cannot be predicted or judged.
    """
    draw = np.random.default_rng(seed)
    n = min(rows, source.n_rows)
    drawn = np.sort(draw.permutation(source.n_rows)[:n])
    orders = [draw.permutation(n) for _ in range(times)]
    picked = PickedRows(source, drawn)
    answers = answers_of(predictor, picked)

    def score(raw: Matrix) -> float:
        given = Judged(
            truth=answers.truth,
            estimate=raw.astype(np.float64),
            weights=answers.weights,
            n_without_truth=0,
        )
        if not given.is_finite:
            return math.nan
        value = computed([metric], given, predictor.levels, predictor.mode)[metric].value
        return float(value)

    whole = score(answers.estimate.astype(np.float32))
    found = []
    for column, outputs in _shuffled(predictor, picked, orders):
        worse = np.array([worse_by(metric, score(raw), whole) for raw in outputs])
        spread = float(worse.std(ddof=1)) / math.sqrt(times) if times > 1 else math.nan
        found.append(Importance(column, float(worse.mean()), spread))
    found.sort(key=lambda each: math.inf if math.isnan(each.importance) else -each.importance)
    return Importances(whole, n, found)


def _shuffled(
    predictor: Predictor, source: PickedRows, orders: list[NDArray[np.int64]]
) -> Iterator[tuple[str, list[Matrix]]]:
    """Yield each column's name and the network's outputs for each shuffle of it."""
    first = predictor.first_layer(source)
    n, units = first.sums.shape
    together = max(1, _HELD // max(n * predictor.widest, 1))
    for name in predictor.inputs.names:
        places = first.places.get(name)
        if places is None:
            yield name, [predictor.predict(Shuffled(source, name, order)).raw for order in orders]
            continue
        x, kernel = first.x[:, places], first.kernel[places]
        outputs: list[Matrix] = []
        for start in range(0, len(orders), together):
            some = orders[start : start + together]
            change = np.concatenate([x[order] - x for order in some]) @ kernel
            sums = first.sums + change.reshape(len(some), n, units)
            raw = predictor.outputs_of(sums.reshape(-1, units))
            outputs.extend(raw.reshape(len(some), n, -1))
        yield name, outputs
