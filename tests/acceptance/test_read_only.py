"""The data folder becomes read-only under a real service; `read_only.py` beside this tells how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.namespace import can_mount, run_in_namespace
from tests.acceptance.read_only import is_good


@pytest.mark.skipif(not can_mount(), reason="no mount namespace of one's own on this machine")
def test_on_a_read_only_disk_reading_goes_on_and_writing_is_refused_in_words(
    tmp_path: Path,
) -> None:
    done = run_in_namespace("tests.acceptance.read_only", tmp_path)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert is_good(told), told
    assert done.returncode == 0
