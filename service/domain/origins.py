"""Where a dataset comes from: how its upload was read, or of which dataset it is a part."""

from __future__ import annotations

from typing import Literal

from service.domain.datasets import DEFAULT_NA, Reading
from service.domain.schema import Value

Part = Literal["training", "testing"]


class SplitPart(Value):
    """Which rows of which dataset: the same request with the same `seed` takes the same ones."""

    dataset: str
    name: str
    part: Part
    prop: float
    strata: str | None
    seed: int


class Origin(Value):
    """Where a dataset comes from. A part of a split has the reading of the whole.

    A dataset that a library ships has neither.
    """

    reading: Reading | None = None
    split: SplitPart | None = None

    @property
    def na(self) -> tuple[str, ...]:
        """The words for missing in text with this dataset's columns."""
        return DEFAULT_NA if self.reading is None else self.reading.na
