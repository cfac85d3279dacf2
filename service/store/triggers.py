"""What the database itself forbids about a row as it was, which no constraint can say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData

# Name, table, what is changed, when it is refused ("" means always), why.
_GUARDS = (
    ("events_are_append_only", "UPDATE ON events", "", "events are append-only"),
    (
        "tokens_only_grow",
        "UPDATE OF lease_token ON jobs",
        "NEW.lease_token < OLD.lease_token",
        "lease tokens only grow",
    ),
    (
        "ended_jobs_keep",
        "UPDATE OF state ON jobs",
        "OLD.state = 'succeeded' OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued'",
        "an ended job does not change",
    ),
)
_REFUSE = (
    "CREATE FUNCTION fitpoint_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; END'"
)


def create_triggers(_metadata: MetaData, connection: Connection, **_options: Any) -> None:
    """Make the triggers, after the tables were made.

    A migration that makes one of these tables anew drops its triggers and must make them again.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_REFUSE)
    for name, change, when, why in _GUARDS:
        connection.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE {change} " + _body(connection.dialect.name, when, why)
        )


def _body(dialect: str, when: str, why: str) -> str:
    if dialect == "sqlite":
        condition = f"WHEN {when} " if when else ""
        return f"{condition}BEGIN SELECT RAISE(ABORT, '{why}'); END"
    condition = f"WHEN ({when}) " if when else ""
    return f"FOR EACH ROW {condition}EXECUTE FUNCTION fitpoint_refuse('{why}')"
