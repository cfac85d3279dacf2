"""What protects a job, taken away: the fence of a worker, the guards of a database.

    python -m tests.acceptance.unfenced worker

is `fitpoint worker`, whose writes about a job do not ask whether the job runs, nor under which
token. Imports stand inside the functions: the child that trains imports this module too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from service.store.database import Database


def without_fence() -> None:
    """Let every later write of this process about a job find its row, whoever holds the job."""
    from service.store import claims, fence
    from service.store.tables import JobRow

    def anybody(job_id: str, _token: int) -> ColumnElement[bool]:
        return JobRow.id == job_id

    vars(fence)["held"] = vars(claims)["held"] = anybody


def without_guards(database: Database) -> None:
    """Take triggers, constraints and unique indexes from a database that is going to be used."""
    from sqlalchemy import inspect

    from tests.store.unguarded import lift_guards

    lift_guards(database)
    with database.alter() as connection:
        if connection.dialect.name != "sqlite":
            return
        # A bare copy does not number its rows, and events are read by their numbers.
        for table in ("events", "job_logs"):
            names = [str(column["name"]) for column in inspect(connection).get_columns(table)]
            columns = ", ".join(name for name in names if name != "n")
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO bare")
            connection.exec_driver_sql(f"CREATE TABLE {table} (n INTEGER PRIMARY KEY, {columns})")
            connection.exec_driver_sql(
                f"INSERT INTO {table} (n, {columns}) SELECT n, {columns} FROM bare"
            )
            connection.exec_driver_sql("DROP TABLE bare")


if __name__ == "__main__":
    from service.__main__ import main

    without_fence()
    main()
