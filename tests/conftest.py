"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.engine.training import runtime
from service.store import sqlite

# As a child trains: bits are promised on one thread.
os.environ |= runtime.settings(device="cpu", threads=1)

# TensorFlow carries an older SQLite that takes the driver's place when it is loaded first, and the
# tests of one process import both. The worker opens its database before it trains.
sqlite.driver()

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the chapter's MNIST files; tests that want it are skipped without it."""
    folder = Path(os.environ.get("FITPOINT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"FITPOINT_TEST_DATA: no folder {folder}")
    return folder
