"""A worker that is asked to end hands its job on, and one that is asked twice leaves at once."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance import draining


def test_a_drained_worker_leaves_its_job_to_the_next_one(tmp_path: Path) -> None:
    tally = draining.experiment(tmp_path / "data", times=2, seed=3)
    assert tally.wrong == []
    assert tally.drains + tally.leaves == 2
    assert tally.leaves == 1
