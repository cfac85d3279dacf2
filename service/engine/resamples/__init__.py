"""Which rows of a table candidates are trained on and which they are judged on."""

from __future__ import annotations

from service.engine.resamples.doubts import Doubt, doubts_of
from service.engine.resamples.drawing import Resample, each_resample, resample
from service.engine.resamples.groups import groups_of, resample_table

__all__ = [
    "Doubt",
    "Resample",
    "doubts_of",
    "each_resample",
    "groups_of",
    "resample",
    "resample_table",
]
