"""A model's answers to the rows of a table beside the truth, and the evaluation of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.domain.errors import FieldError, InvalidData
from service.domain.evaluations import Bootstrap, Evaluation
from service.domain.fit import Mode
from service.domain.metric_names import Estimator, EventLevel
from service.domain.names import did_you_mean
from service.engine.metrics import evaluate
from service.engine.metrics.scoring import Judged, judged
from service.engine.outcomes import case_weights, class_codes, true_numbers
from service.engine.predictor import Predictor
from service.engine.recipe import ColumnSource, Rows
from service.engine.task import Positions


def truth_of(
    predictor: Predictor, source: ColumnSource, rows: Rows = None
) -> NDArray[np.int32] | NDArray[np.float64]:
    """Return the true outcomes: codes of the model's levels, (rows,); or (rows, outcomes).

    Raises:
        InvalidData: an outcome is not there, of another type, missing in a row, or of a level that
            the model does not know.
    """
    for name in predictor.outcomes:
        if name not in source.types:
            raise _refused(
                name,
                f"Expected the outcome '{name}' to judge by. Received none of this name."
                f"{did_you_mean(name, source.types)}",
            )
        is_nominal = source.types[name] in ("factor", "ordered", "logical", "text")
        if is_nominal != (predictor.levels is not None):
            wanted = "categories" if predictor.levels is not None else "numbers"
            raise _refused(
                name,
                f"Expected {wanted} as outcome '{name}'. Received a column of type "
                f"{source.types[name]}. Declare it at upload.",
            )
    if predictor.levels is not None:
        return class_codes(source, predictor.outcomes[0], predictor.levels, rows)
    return true_numbers(source, predictor.outcomes, rows)


def answers_of(
    predictor: Predictor,
    source: ColumnSource,
    estimator: Estimator | None = None,
    event_level: EventLevel | None = None,
) -> Judged:
    """Return what a model says of every row, and what is true.

    Raises:
        InvalidData, MissingValues: the rows cannot be predicted or judged.
    """
    return judged(
        *_both(predictor, source), estimator=estimator, event_level=event_level or "first"
    )


def evaluation_of(
    predictor: Predictor,
    source: ColumnSource,
    *,
    id: str = "",
    dataset: str,
    dataset_sha256: str,
    names: Sequence[str] | None,
    estimator: Estimator | None = None,
    event_level: EventLevel | None = None,
    bootstrap: Bootstrap | None = None,
    rows: Positions | None = None,
) -> Evaluation:
    """Return the evaluation of a model on the rows of a table; see `evaluate`.

    The rows weigh what the column of case weights says that the model was trained with, where the
    table has it. `rows` are 0-based positions of those to judge, default all.

    Raises:
        InvalidSpec: a name that no metric of the mode has, or an estimator that one has not.
        InvalidData, MissingValues: the rows cannot be predicted or judged.
    """
    truth, estimate, levels, mode, weights = _both(predictor, source)
    if rows is not None:
        truth, estimate = np.asarray(truth)[rows], np.asarray(estimate)[rows]
        weights = None if weights is None else np.asarray(weights)[rows]
    return evaluate(
        id=id,
        dataset=dataset,
        dataset_sha256=dataset_sha256,
        names=names,
        truth=truth,
        estimate=estimate,
        levels=levels,
        mode=mode,
        constant=predictor.constant,
        weights=weights,
        estimator=estimator,
        event_level=event_level,
        bootstrap=bootstrap,
    )


def _both(
    predictor: Predictor, source: ColumnSource
) -> tuple[ArrayLike, ArrayLike, Sequence[str] | None, Mode, ArrayLike | None]:
    truth = truth_of(predictor, source)
    weights = case_weights(source, predictor.case_weights)
    return truth, predictor.predict(source).raw, predictor.levels, predictor.mode, weights


def _refused(name: str, msg: str) -> InvalidData:
    return InvalidData(msg, errors=[FieldError(loc=(name,), msg=msg)])
