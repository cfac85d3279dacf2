"""A few readers in the gate; `event_readers.py` beside this file follows with hundreds."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.event_readers import experiment


def test_many_readers_hear_everything_once_and_hold_no_transaction(tmp_path: Path) -> None:
    tally = experiment(tmp_path / "data", readers=50, epochs=60, pause=0.05, kills=0)
    # queued, running, 60 epochs, failed, done
    assert tally.events == 64
    assert (tally.lost, tally.doubled, tally.held) == (0, 0, 0)
    assert tally.reconnections == 0


def test_nothing_is_lost_or_doubled_across_servers_that_are_killed(tmp_path: Path) -> None:
    tally = experiment(tmp_path / "data", readers=8, epochs=150, pause=0.05, kills=3)
    assert tally.events == 154
    assert (tally.lost, tally.doubled) == (0, 0)
    # Each reader was cut off each time, but for one that was between two connections.
    assert tally.reconnections >= 8 * 2
