"""Two hundred faults in the gate, a few on PostgreSQL; `faults.py` beside this file does more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.fault_findings import Findings
from tests.acceptance.faults import experiment
from tests.store import private_cluster
from tests.store.private_cluster import PrivateCluster


def met_something(findings: Findings) -> bool:
    """Whether faults reached jobs: attempts were cut short, and answers lost."""
    return findings.claimed_again > 0 and findings.replayed > 0


@pytest.mark.timeout(900)
def test_nothing_is_lost_doubled_torn_or_other_whoever_is_killed_or_stopped(
    tmp_path: Path,
) -> None:
    findings = experiment(tmp_path / "data", faults=200, gap=0.7, seed=20261124)
    assert findings.breaches() == {}
    assert met_something(findings)
    # Sleepers that outlast their lease are among them, and the fence met them.
    assert findings.fenced_off > 0


@pytest.mark.timeout(600)
@pytest.mark.skipif(private_cluster.missing() is not None, reason="PostgreSQL is not installed")
def test_nothing_is_lost_doubled_torn_or_other_on_postgresql(tmp_path: Path) -> None:
    with closing(PrivateCluster(durable=True)) as cluster:
        url = cluster.url(cluster.create())
        findings = experiment(
            tmp_path / "data", faults=30, gap=0.7, seed=20261124, database_url=url
        )
    assert findings.breaches() == {}
