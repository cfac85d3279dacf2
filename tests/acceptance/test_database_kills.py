"""One short outage of PostgreSQL in the gate; `database_kills.py` beside this has long ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.acceptance.database_kills import experiment
from tests.store import private_cluster


@pytest.mark.timeout(180)
def test_a_postgresql_that_was_killed_loses_nothing_and_no_fit_begins_again(tmp_path: Path) -> None:
    private_cluster.require()
    tally = experiment(tmp_path / "data", [5.0], random.Random(1))
    assert tally.wrong == []
    assert tally.attempts == 1
    # It met requests while the database was away, and all that were accepted before and after.
    assert tally.refused > 0
    assert tally.acknowledged > 1
