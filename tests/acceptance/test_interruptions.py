"""A few SIGKILLs in the gate; `interruptions.py` beside this file does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.interruptions import experiment


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["fit", "cohort"])
def test_a_killed_training_ends_with_the_bits_of_an_untouched_one(
    kind: str, tmp_path: Path
) -> None:
    tally = experiment(kind, times=3, seed=20261124, folder=tmp_path)
    assert tally.kills >= 3
    assert tally.same == tally.trainings >= 1
