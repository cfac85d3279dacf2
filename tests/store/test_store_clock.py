from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.store.clock import SystemClock


@pytest.mark.skipif(sys.platform != "linux", reason="CLOCK_BOOTTIME is Linux's")
def test_leases_count_on_the_boot_clock_of_this_boot() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    moment = SystemClock().lease()
    assert before <= moment.seconds <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert moment.source == SystemClock().lease().source
    assert len(moment.source) == 36


def test_the_wall_clock_is_aware_and_utc() -> None:
    now = SystemClock().utc()
    assert now.utcoffset() == timedelta(0)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_machine_without_a_boot_id_counts_leases_on_the_wall_clock(tmp_path: Path) -> None:
    moment = SystemClock(tmp_path / "none").lease()
    assert moment.source == "wall"
    assert abs(moment.seconds - time.time()) < 60
