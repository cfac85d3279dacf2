"""The disk fills up under a real service; `full_disk.py` beside this file tells how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.full_disk import is_good
from tests.acceptance.namespace import can_mount, run_in_namespace


@pytest.mark.skipif(not can_mount(), reason="no mount namespace of one's own on this machine")
def test_a_full_disk_harms_nothing_that_is_there(tmp_path: Path) -> None:
    done = run_in_namespace("tests.acceptance.full_disk", tmp_path)
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert is_good(told), told
    assert done.returncode == 0
