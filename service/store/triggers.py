"""What the database itself forbids about a row as it was, which no constraint can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, MetaData


@dataclass(frozen=True, kw_only=True)
class _Guard:
    """A change that is refused `when` a condition on NEW and OLD holds, always without one.

    `unless` is a query of what must be there for the change: PostgreSQL wants it in a function.
    """

    name: str
    change: str
    why: str
    when: str = ""
    unless: str = ""


_GUARDS = (
    _Guard(name="events_are_append_only", change="UPDATE ON events", why="events are append-only"),
    _Guard(
        name="tokens_only_grow",
        change="UPDATE OF lease_token ON jobs",
        when="NEW.lease_token < OLD.lease_token",
        why="lease tokens only grow",
    ),
    _Guard(
        name="ended_jobs_keep",
        change="UPDATE OF state ON jobs",
        when="OLD.state = 'succeeded' "
        "OR OLD.state IN ('failed','cancelled') AND NEW.state <> 'queued'",
        why="an ended job does not change",
    ),
    _Guard(
        name="queued_jobs_are_claimed",
        change="UPDATE OF state ON jobs",
        when="OLD.state = 'queued' AND (NEW.state IN ('succeeded','failed') "
        "OR NEW.state = 'running' AND (NEW.lease_token = OLD.lease_token "
        "OR NEW.attempt = OLD.attempt))",
        why="a queued job runs by a claim",
    ),
    _Guard(
        name="claims_hold",
        change="UPDATE OF lease_token, lease_owner ON jobs",
        when="OLD.state = 'running' AND NEW.state = 'running' "
        "AND (NEW.lease_token <> OLD.lease_token OR NEW.lease_owner <> OLD.lease_owner)",
        why="a held job is not claimed",
    ),
    _Guard(
        name="cancels_are_kept",
        change="UPDATE OF cancel_requested_at ON jobs",
        when="OLD.state = 'running' AND OLD.cancel_requested_at IS NOT NULL "
        "AND NEW.cancel_requested_at IS NULL",
        why="an accepted cancel is kept",
    ),
    _Guard(
        name="unfinished_jobs_stay",
        change="DELETE ON jobs",
        when="OLD.state IN ('queued','running')",
        why="an unfinished job is not removed",
    ),
    _Guard(
        name="epochs_are_append_only", change="UPDATE ON epochs", why="histories are append-only"
    ),
    _Guard(
        name="epochs_have_no_gaps",
        change="INSERT ON epochs",
        when="NEW.epoch > 1",
        unless="SELECT 1 FROM epochs WHERE job_id = NEW.job_id AND trial = NEW.trial "
        "AND fold = NEW.fold AND epoch = NEW.epoch - 1",
        why="an epoch is missing before this one",
    ),
    _Guard(
        name="models_are_of_success",
        change="INSERT ON models",
        unless="SELECT 1 FROM jobs WHERE id = NEW.job_id AND state = 'succeeded'",
        why="a model is of a succeeded job",
    ),
    _Guard(
        name="done_is_the_end",
        change="INSERT ON events",
        when="NEW.what = 'done'",
        unless="SELECT 1 FROM jobs WHERE id = NEW.job_id AND finished_at IS NOT NULL",
        why="a job that has not ended is not done",
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
    for guard in _GUARDS:
        statements = _sqlite if connection.dialect.name == "sqlite" else _postgresql
        for statement in statements(guard):
            connection.exec_driver_sql(statement)


def _sqlite(guard: _Guard) -> tuple[str, ...]:
    absent = f"NOT EXISTS ({guard.unless})" if guard.unless else ""
    condition = " AND ".join(part for part in (guard.when, absent) if part)
    return (
        f"CREATE TRIGGER {guard.name} BEFORE {guard.change} "
        + (f"WHEN {condition} " if condition else "")
        + f"BEGIN SELECT RAISE(ABORT, '{guard.why}'); END",
    )


def _postgresql(guard: _Guard) -> tuple[str, ...]:
    function = f"fitpoint_{guard.name}" if guard.unless else "fitpoint_refuse"
    trigger = (
        f"CREATE TRIGGER {guard.name} BEFORE {guard.change} FOR EACH ROW "
        + (f"WHEN ({guard.when}) " if guard.when else "")
        + f"EXECUTE FUNCTION {function}('{guard.why}')"
    )
    if not guard.unless:
        return (trigger,)
    made = (
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        f"IF NOT EXISTS ({guard.unless}) THEN "
        "RAISE integrity_constraint_violation USING MESSAGE = TG_ARGV[0]; END IF; "
        "RETURN NEW; END$$"
    )
    return made, trigger
