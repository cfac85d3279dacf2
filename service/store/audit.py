"""The invariants, looked for in the rows as they are: whatever guards them may have been lifted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, String, and_, cast, func, literal, or_, select, text

from service.domain.jobs import JobState
from service.store.sessions import ReadSession
from service.store.tables import EventRow, JobRow


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A row, or rows of one job, that contradict an invariant."""

    invariant: str
    of: str
    detail: str


# Each query gives what the breach is of, and what is wrong with it; none on a sound database.
_QUERIES = {
    "a job has a lease while it runs, and only then": """
        SELECT id, state || ', leased by ' || coalesce(lease_owner, 'nobody') FROM jobs
        WHERE (state = 'running') <> (lease_owner IS NOT NULL)
           OR (lease_owner IS NULL) <> (lease_until IS NULL)
           OR (lease_owner IS NULL) <> (lease_clock IS NULL)""",
    "tokens grow with attempts, and counters from zero": """
        SELECT id, 'token ' || lease_token || ', attempt ' || attempt FROM jobs
        WHERE lease_token < attempt OR attempt < 0 OR stalls < 0 OR errors < 0 OR losses < 0""",
    "a job that ended has the time of its end, and only then": """
        SELECT id, state || ' at ' || coalesce(CAST(finished_at AS TEXT), 'no time') FROM jobs
        WHERE (state IN ('succeeded','failed','cancelled')) <> (finished_at IS NOT NULL)""",
    "a failed job says why, and only that one": """
        SELECT id, state || ', error ' || coalesce(error_code, 'none') FROM jobs
        WHERE (state = 'failed') <> (error_code IS NOT NULL)
           OR (error_code IS NULL) <> (error IS NULL)""",
    "an accepted cancel ends cancelled": """
        SELECT id, state || ', cancel ' || CASE WHEN cancel_requested_at IS NULL
            THEN 'not asked for' ELSE 'asked for' END FROM jobs
        WHERE (cancel_requested_at IS NOT NULL AND state NOT IN ('running','cancelled'))
           OR (cancel_requested_at IS NULL AND state = 'cancelled')""",
    "only a queued job waits": """
        SELECT id, state || ', waits' FROM jobs
        WHERE run_after IS NOT NULL AND state <> 'queued'""",
    "a run ends once": """
        SELECT job_id, count(*) || ' events done under token ' || token FROM events
        WHERE what = 'done' GROUP BY job_id, token HAVING count(*) > 1""",
    "an ended job tells its end once, an unfinished one not yet": """
        SELECT id, state || ', ' || told || ' events done' FROM (
            SELECT id, state, (SELECT count(*) FROM events
                WHERE job_id = jobs.id AND what = 'done' AND n >= jobs.first_event) AS told
            FROM jobs) AS counted
        WHERE told <> CASE WHEN state IN ('queued','running') THEN 0 ELSE 1 END""",
    "events are told under tokens that were given": """
        SELECT job_id, 'event ' || n || ' under token ' || token || ' of ' || lease_token
        FROM events JOIN jobs ON jobs.id = job_id WHERE token > lease_token""",
    # What an overtaken worker wrote after the next claim would stand behind it.
    "nothing is told under a token after a newer one": """
        SELECT job_id, 'event ' || n || ' under token ' || token || ' after ' || newest FROM (
            SELECT job_id, n, token, max(token) OVER (PARTITION BY job_id ORDER BY n) AS newest
            FROM events) AS told
        WHERE token < newest""",
    "a checkpoint is of epochs that were told": """
        SELECT id, 'checkpoint of epoch ' || ckpt_epoch || ', told up to ' || coalesce(latest, 0)
        FROM jobs LEFT JOIN (SELECT job_id, max(epoch) AS latest FROM epochs GROUP BY job_id) AS e
            ON job_id = id
        WHERE kind = 'fit' AND ckpt_epoch > coalesce(latest, 0)""",
    "a history is 1, 2, ... without a gap or a double": """
        SELECT job_id, 'trial ' || trial || ', fold ' || fold || ': ' || count(*)
            || ' epochs from ' || min(epoch) || ' to ' || max(epoch)
        FROM epochs GROUP BY job_id, trial, fold
        HAVING min(epoch) <> 1 OR count(*) <> max(epoch)
            OR count(DISTINCT epoch) <> count(*)""",
    "epochs are of attempts that were made": """
        SELECT job_id, 'epoch ' || e.epoch || ' of attempt ' || e.attempt
        FROM epochs e JOIN jobs ON jobs.id = job_id WHERE e.attempt > jobs.attempt""",
    "a job leaves one model": """
        SELECT job_id, count(*) || ' models' FROM models GROUP BY job_id HAVING count(*) > 1""",
    "a model is of a succeeded job, with the hash that it told": """
        SELECT models.id, 'job ' || jobs.id || ' is ' || state FROM models
        JOIN jobs ON jobs.id = job_id
        WHERE state <> 'succeeded' OR model_sha256 IS NULL OR model_sha256 <> artifact_sha256""",
    "a fit that succeeded told its model": """
        SELECT id, kind || ' without the hash of a model' FROM jobs
        WHERE kind = 'fit' AND (state = 'succeeded') <> (model_sha256 IS NOT NULL)""",
    "versions of a name are counted once each": """
        SELECT models.name, count(*) || ' models are version ' || version FROM models
        GROUP BY models.name, version HAVING count(*) > 1
        UNION ALL
        SELECT models.name, 'version ' || version || ' of ' || coalesce(last_version, 0)
        FROM models LEFT JOIN model_names ON model_names.name = models.name
        WHERE last_version IS NULL OR version > last_version""",
    "a name is of models or an alias of one": """
        SELECT model_names.name, 'alias of ' || alias_of FROM model_names
        WHERE alias_of IS NOT NULL AND (alias_of NOT IN (SELECT id FROM models)
            OR model_names.name IN (SELECT name FROM models))""",
    "an unfinished job has its datasets": """
        SELECT job_id, 'dataset ' || spec_name || ' is gone' FROM job_datasets
        JOIN jobs ON jobs.id = job_id
        WHERE state IN ('queued','running') AND (dataset_id IS NULL
            OR dataset_id NOT IN (SELECT id FROM datasets))""",
    "an idempotency key has its answer": """
        SELECT scope, 'a key without an answer' FROM idempotency_keys WHERE status IS NULL""",
}
_OF_JOBS = ("epochs", "events", "evaluations", "job_datasets", "job_logs", "models")


def audit(s: ReadSession) -> list[Breach]:
    """Return every breach of the invariants, in one state of the database; change nothing."""
    found = [
        Breach(invariant=invariant, of=str(row[0]), detail=str(row[1]))
        for invariant, query in (*_QUERIES.items(), *_orphans().items())
        for row in s.execute(text(query))
    ]
    for invariant, told in _told().items():
        found += [Breach(invariant=invariant, of=row[0], detail=row[1]) for row in s.execute(told)]
    if s.get_bind().dialect.name == "sqlite":
        states = s.scalars(text("PRAGMA integrity_check")).all()
        found += [
            Breach(invariant="the file is whole", of="database", detail=state)
            for state in states
            if state != "ok"
        ]
    return found


def invariants() -> int:
    """Return how many invariants `audit` looks at."""
    return len(_QUERIES) + len(_orphans()) + len(_told()) + 1


def _orphans() -> dict[str, str]:
    return {
        f"{table} are of a job that is there": f"""
            SELECT job_id, count(*) || ' rows of no job' FROM {table}
            WHERE job_id NOT IN (SELECT id FROM jobs) GROUP BY job_id"""
        for table in _OF_JOBS
    }


def _told() -> dict[str, Select[str, str]]:
    """Queries that look into the data of events, which the databases do in words of their own."""
    newest = (
        select(EventRow.job_id, func.max(EventRow.n).label("n"))
        .where(EventRow.what == "state")
        .group_by(EventRow.job_id)
        .subquery()
    )
    state = func.coalesce(EventRow.data["state"].as_string(), "nothing")
    last = (
        select(JobRow.id, JobRow.state + literal(", told ") + func.coalesce(state, "nothing"))
        .outerjoin(newest, newest.c.job_id == JobRow.id)
        .outerjoin(EventRow, EventRow.n == newest.c.n)
        .where(or_(EventRow.n.is_(None), state != JobRow.state))
    )
    done = (
        select(JobRow.id, JobRow.state + literal(", done ") + state)
        .join(EventRow, and_(EventRow.job_id == JobRow.id, EventRow.what == "done"))
        .where(EventRow.n >= JobRow.first_event, state != JobRow.state)
        .where(JobRow.state.not_in((JobState.QUEUED.value, JobState.RUNNING.value)))
    )
    empty = select(EventRow.job_id, literal("event ") + cast(EventRow.n, String)).where(
        EventRow.what == "epoch", EventRow.data["epoch"].as_string().is_(None)
    )
    return {
        "the last state told is the job's": last,
        "the end told is the job's": done,
        "an epoch is told by its number": empty,
    }
