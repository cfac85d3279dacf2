"""A few kills of the API in the gate; `api_kills.py` beside this file does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.api_kills import experiment


@pytest.mark.timeout(180)
def test_what_an_api_acknowledged_before_it_was_killed_is_there_once(tmp_path: Path) -> None:
    tally = experiment(tmp_path / "data", kills=5, clients=6, seed=20261124)
    assert (tally.lost, tally.doubled, tally.half, tally.refused) == (0, 0, 0, [])
    assert tally.integrity == "ok"
    # It met requests that were under way, and some whose answer alone was lost.
    assert tally.sent > tally.requests > 20
    assert tally.replayed > 0
