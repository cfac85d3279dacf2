"""A few hostile files over real HTTP; `hostile_corpus.py` beside this file sends all of them."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.hostile_corpus import LARGE, is_good, run


def test_hostile_files_have_answers_and_memory_stays_flat(tmp_path: Path) -> None:
    told = run(tmp_path, named=1, scale=0.01, n_damaged=2)
    assert is_good(told), told
    status = {name: status for name, status, _, _ in told["found"]}
    assert all(status[name] in (413, 422) for name in LARGE)
    assert sum(told["damaged"].values()) == 2
