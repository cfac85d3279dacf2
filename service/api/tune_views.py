"""What a tune's candidates and resamples look like in JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from service.api.answers import Listing


class TrialView(BaseModel):
    """A candidate: its values by id, and the mean of a metric over its resamples.

    `std_err` is null when there is one resample. `pruned_at` is the epoch after which a race
    stopped it, and `mean` what it had then; `note` says why it was stopped or has no estimate.
    """

    model_config = ConfigDict(extra="allow")

    trial: int
    config: str
    metric: str
    mean: float | None
    n: int
    std_err: float | None


class Trials(Listing[TrialView]):
    """A page of candidates, best first."""


class Best(BaseModel):
    """The best candidates."""

    data: list[TrialView]


class ResampleView(BaseModel):
    """The rows of a resample, 1-based: `analysis` is trained on, `assessment` judges."""

    fold: int
    id: str
    id2: str | None
    analysis: list[int]
    assessment: list[int]


class ResampleList(Listing[ResampleView]):
    """A page of resamples."""
