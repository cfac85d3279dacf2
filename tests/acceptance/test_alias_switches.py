"""An alias that moves under load; `alias_switches.py` moves it a thousand times."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.alias_switches import experiment, is_good


def test_an_alias_that_is_switched_under_load_answers_as_one_of_its_models(tmp_path: Path) -> None:
    told = experiment(tmp_path / "data", 100)
    assert is_good(told), told
