"""What the database itself forbids about a row as it was, which no constraint can say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData

# A migration that rebuilds one of these tables drops its triggers and must make them again.
_TRIGGERS = (
    "CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events BEGIN "
    "SELECT RAISE(ABORT, 'events are append-only'); END",
    "CREATE TRIGGER tokens_only_grow BEFORE UPDATE OF lease_token ON jobs "
    "WHEN NEW.lease_token < OLD.lease_token BEGIN "
    "SELECT RAISE(ABORT, 'lease tokens only grow'); END",
    "CREATE TRIGGER ended_jobs_keep BEFORE UPDATE OF state ON jobs "
    "WHEN OLD.state = 'succeeded' "
    "OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued' BEGIN "
    "SELECT RAISE(ABORT, 'an ended job does not change'); END",
)


def create_triggers(_metadata: MetaData, connection: Connection, **_options: Any) -> None:
    """Make the triggers, after the tables were made."""
    if connection.dialect.name == "sqlite":
        for statement in _TRIGGERS:
            connection.exec_driver_sql(statement)
