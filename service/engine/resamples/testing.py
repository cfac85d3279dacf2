"""The two parts of a fit that keeps rows for its judgement."""

from __future__ import annotations

import numpy as np

from service.domain.tune.resampling import ValidationSet, ValidationSplit
from service.engine.resamples.drawing import Resample
from service.engine.resamples.groups import resample_table
from service.engine.tables.table import Table
from service.engine.task import Fold


def kept_apart(split: ValidationSplit | ValidationSet, table: Table) -> Fold:
    """Return which rows train and, as the assessment, which are kept for testing, all ascending.

    Raises:
        InvalidSpec: as `resample_table`.
    """
    (drawn,) = resample_table(split, table)
    return last_fold(drawn)


def last_fold(drawn: Resample) -> Fold:
    """Return the rows of a last fit: all but the testing rows, or but the assessment's without."""
    if drawn.testing is None:
        return Fold(number=1, analysis=drawn.analysis, assessment=drawn.assessment, metrics=())
    training = np.union1d(drawn.analysis, drawn.assessment)
    return Fold(number=1, analysis=training, assessment=drawn.testing, metrics=())
