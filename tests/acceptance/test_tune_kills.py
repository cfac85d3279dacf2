"""A few kills under a tune in the gate; `tune_kills.py` beside this file does many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.tune_kills import experiment


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("race", "epochs"), [(False, (4, 80)), (True, (60, 61, 62, 120))])
def test_a_tune_that_is_killed_ends_with_the_table_of_an_untouched_one(
    tmp_path: Path, race: bool, epochs: tuple[int, ...]
) -> None:
    # Not the server, whose death the script meets too: to start it again takes the longest.
    tally = experiment(
        tmp_path / "data",
        times=2,
        seed=20261124,
        epochs_tried=epochs,
        victims=("child", "worker"),
        slots=1,
        race=race,
    )
    assert tally.wrong == []
    assert sum(tally.kills.values()) == 2
    assert tally.tunes >= 1
