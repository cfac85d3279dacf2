"""A few kills under a search in the gate; `search_kills.py` beside this file does many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.search_kills import experiment


@pytest.mark.timeout(300)
def test_a_search_that_is_killed_proposes_and_finds_what_an_untouched_one_does(
    tmp_path: Path,
) -> None:
    # Not the server, whose death the script meets too: to start it again takes the longest.
    tally = experiment(
        tmp_path / "data",
        times=2,
        seed=20261128,
        size=6,
        epochs=30,
        victims=("child", "worker"),
        slots=1,
    )
    assert tally.wrong == []
    assert sum(tally.kills.values()) == 2
    assert tally.tunes >= 1
