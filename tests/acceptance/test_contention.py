"""Writers and readers in each other's way for some seconds; `contention.py` does it for minutes."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.contention import experiment, is_good


def test_writers_and_readers_in_each_others_way_are_not_turned_away(tmp_path: Path) -> None:
    told = experiment(tmp_path, 5)
    assert told["commits"] > 20
    assert told["reads"] > 20
    assert is_good(told), told
