from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.errors import Unavailable
from service.store import sqlite


@pytest.mark.parametrize(
    "version",
    [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 51, 3), (3, 51, 9), (3, 53, 0), (3, 54, 1), (4, 0, 0)],
)
def test_wal_is_chosen_where_the_reset_bug_is_fixed(version: tuple[int, ...]) -> None:
    assert sqlite.trusted_journal_mode(version) == "wal"


@pytest.mark.parametrize(
    "version",
    [
        (3, 40, 1),
        (3, 44, 5),
        (3, 45, 0),
        (3, 50, 6),
        (3, 51, 0),
        (3, 51, 2),
        (3, 52, 0),
        (3, 52, 1),
    ],
)
def test_truncate_is_chosen_where_wal_can_lose_commits(version: tuple[int, ...]) -> None:
    assert sqlite.trusted_journal_mode(version) == "truncate"


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /srv/data nfs4 rw 0 0
/dev/vdb /srv/data/local\\040disk xfs rw 0 0
"""


def test_a_network_filesystem_is_refused_by_name() -> None:
    with pytest.raises(Unavailable, match="nfs4"):
        sqlite.refuse_network_filesystem(Path("/srv/data/fitpoint"), MOUNTS)


@pytest.mark.parametrize("folder", ["/srv", "/srv/database", "/srv/data/local disk/fitpoint"])
def test_a_local_disk_is_accepted_beside_and_below_a_network_one(folder: str) -> None:
    sqlite.refuse_network_filesystem(Path(folder), MOUNTS)
