"""How a job to claim, and leases that are over, are looked for: by the partial indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text

from service.store import claims, jobs
from service.store.database import Database
from service.store.sessions import WriteSession
from service.store.tables import JobRow
from tests.store import samples

QUEUED = 3_000
ENDED = 3_000


def filled(s: WriteSession) -> None:
    """Make many rows of one: queued, of five priorities, and cancelled."""
    jobs.submit(s, samples.new_job())
    row = dict(s.execute(select(JobRow.__table__)).mappings().one())
    ended = {"state": "cancelled", "cancel_requested_at": samples.NOW, "finished_at": samples.NOW}
    rows = [
        {**row, "id": f"job_{n:026}", "priority": n % 5, **(ended if n > QUEUED else {})}
        for n in range(1, QUEUED + ENDED + 1)
    ]
    s.execute(insert(JobRow), rows)


def plan_of(s: WriteSession, done: Callable[[WriteSession], Any], table: str) -> str:
    """Return how the database does the first statement that `done` runs on `table`."""
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if table in statement:
            ran.append((statement, parameters))

    connection = s.connection()
    event.listen(connection, "before_cursor_execute", note)
    done(s)
    event.remove(connection, "before_cursor_execute", note)
    sql, parameters = ran[0]
    words = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    rows = connection.exec_driver_sql(f"{words} {sql}", parameters)
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize(
    ("index", "done"),
    [("ix_jobs_queued", lambda s: claims.claim(s, "wrk_a")), ("ix_jobs_running", claims.rescue)],
    ids=["claim", "rescue"],
)
@pytest.mark.parametrize("analyzed", [True, False], ids=["analyzed", "new"])
def test_claim_and_rescue_read_by_their_partial_index_and_sort_nothing(
    database: Database,
    dialect: str,
    index: str,
    done: Callable[[WriteSession], Any],
    analyzed: bool,
) -> None:
    with database.write() as s:
        filled(s)
        if analyzed:
            s.execute(text("ANALYZE jobs"))
        plan = plan_of(s, done, "jobs")
    assert index in plan
    # A few running rows in no order may be put in order; what is queued must not.
    if index == "ix_jobs_queued" or dialect == "sqlite":
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan
    assert "SCAN jobs" not in plan.splitlines()
    assert "Seq Scan on jobs" not in plan
