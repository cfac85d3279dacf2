"""The audit finds breaches that were made on purpose, with every guard of the database lifted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from sqlalchemy import text

from service.domain.errors import Diverged
from service.store import aliases, audit, claims, jobs, migrations
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock
from tests.store.private_cluster import PrivateCluster
from tests.store.unguarded import lift_guards


class Undo(Exception):
    """Ends a transaction that is not to be kept."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def unguarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, dict[str, str]]]:
    """A database without constraints, with one job in each state, by what it is called."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('unguarded') / 'fitpoint.db'}"
    else:
        cluster: PrivateCluster = request.getfixturevalue("cluster")
        url = cluster.url(cluster.create())
    migrations.migrate(url)
    with closing(Database.open(url, clock=ManualClock())) as database:
        made = populate(database)
        lift_guards(database)
        yield database, made


def populate(database: Database) -> dict[str, str]:
    """Carry jobs to every state, as the store itself does it."""
    made = {}
    with database.write() as s:
        dataset_id = samples.register(s).id
    for name in ("succeeded", "failed", "cancelled", "running"):
        made[name], token = samples.submit_and_claim(database, dataset_id=dataset_id)
        with database.write() as s:
            records = [samples.record(epoch) for epoch in (1, 2, 3)]
            claims.record_epochs(s, made[name], token, records, samples.progress(3))
            claims.log(s, made[name], token, ["line"])
        with database.write() as s:
            if name == "succeeded":
                made["model"] = samples.succeed(s, made[name], token, "m").id
                aliases.put(s, "champion", "m")
            elif name == "failed":
                claims.fail(s, made[name], token, Diverged("nan"))
            elif name == "cancelled":
                jobs.request_cancel(s, made[name])
                claims.acknowledge_cancel(s, made[name], token)
    again, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.fail(s, again, token, Diverged("nan"))
        jobs.retry(s, again)
    made["retried"] = again
    made["queued"] = samples.submit(database, dataset_id=dataset_id).id
    return made


def test_a_database_that_only_the_store_wrote_has_no_breach(
    unguarded: tuple[Database, dict[str, str]],
) -> None:
    database, _ = unguarded
    with database.read() as s:
        assert audit.audit(s) == []


JOB = "UPDATE jobs SET {} WHERE id = :{}"
COPY_EVENT = (
    "INSERT INTO events (n, job_id, token, what, at, data)"
    " SELECT n + 1000, job_id, {}, what, at, data FROM events WHERE job_id = :{} AND what = '{}'"
)
COPY_MODEL = (
    "INSERT INTO models (id, job_id, name, version, {columns})"
    " SELECT 'mdl_other', {{}}, {columns} FROM models"
).format(
    columns="mode, n_parameters, weights_sha256, artifact_sha256, artifact_path, dataset_sha256,"
    " stopped_epoch, created_at, outcome, predictors, levels"
)

BREACHES = {
    "terminal job with a lease": (
        JOB.format("lease_owner = 'w', lease_until = 1, lease_clock = 'c'", "succeeded"),
        "has a lease while it runs",
    ),
    "running job without a lease": (
        JOB.format("lease_owner = NULL, lease_until = NULL, lease_clock = NULL", "running"),
        "has a lease while it runs",
    ),
    "half a lease": (JOB.format("lease_until = NULL", "running"), "has a lease while it runs"),
    "token that shrank": (JOB.format("lease_token = 0", "succeeded"), "tokens grow"),
    "end without a time": (JOB.format("finished_at = NULL", "failed"), "the time of its end"),
    "failure without a reason": (
        JOB.format("error_code = NULL, error = NULL", "failed"),
        "a failed job says why",
    ),
    "success with a reason": (JOB.format("error_code = 'x'", "succeeded"), "says why"),
    "cancel that became success": (
        JOB.format("cancel_requested_at = finished_at", "succeeded"),
        "an accepted cancel",
    ),
    "cancel of nobody": (JOB.format("cancel_requested_at = NULL", "cancelled"), "accepted cancel"),
    "cancel lost in the queue": (
        JOB.format("cancel_requested_at = created_at", "queued"),
        "accepted cancel",
    ),
    "running job that waits": (JOB.format("run_after = 1", "running"), "only a queued job waits"),
    "two ends of one run": (COPY_EVENT.format("token", "failed", "done"), "a run ends once"),
    "two ends under two tokens": (
        COPY_EVENT.format("0", "failed", "done"),
        "tells its end once",
    ),
    "job without its terminal event": (
        "DELETE FROM events WHERE job_id = :cancelled AND what = 'done'",
        "tells its end once",
    ),
    "end of a job that runs": (
        "INSERT INTO events (n, job_id, token, what, at, data)"
        " SELECT n + 1000, :running, 1, what, at, data FROM events"
        " WHERE job_id = :failed AND what = 'done'",
        "tells its end once",
    ),
    "token that nobody gave": (
        COPY_EVENT.format("99", "running", "epoch"),
        "under tokens that were given",
    ),
    "event of a worker that was overtaken": (
        COPY_EVENT.format("token - 1", "retried", "state"),
        "after a newer one",
    ),
    "checkpoint beyond the history": (
        JOB.format("ckpt_epoch = 4, ckpt_fingerprint = 'here'", "running"),
        "a checkpoint is of epochs that were told",
    ),
    "epoch gap": (
        "DELETE FROM epochs WHERE job_id = :running AND epoch = 2",
        "without a gap or a double",
    ),
    "history that begins late": (
        "DELETE FROM epochs WHERE job_id = :running AND epoch = 1",
        "without a gap or a double",
    ),
    "epoch double": (
        "INSERT INTO epochs SELECT * FROM epochs WHERE job_id = :running AND epoch = 2",
        "without a gap or a double",
    ),
    "gap and double that even out": (
        "UPDATE epochs SET epoch = 3 WHERE job_id = :running AND epoch = 2",
        "without a gap or a double",
    ),
    "epoch of an attempt to come": (
        "UPDATE epochs SET attempt = 7 WHERE job_id = :running AND epoch = 1",
        "attempts that were made",
    ),
    "two models for a job": (
        COPY_MODEL.format("job_id, 'n', 1"),
        "a job leaves one model",
    ),
    "model of a failed job": (
        "UPDATE models SET job_id = :failed",
        "a model is of a succeeded job",
    ),
    "model with other bytes": (
        "UPDATE models SET artifact_sha256 = 'x'",
        "with the hash that it told",
    ),
    "success without a model": (JOB.format("model_sha256 = NULL", "succeeded"), "told its model"),
    "version beyond the count": ("UPDATE models SET version = 9", "versions of a name"),
    "version twice": (
        COPY_MODEL.format("'job_other', name, version"),
        "versions of a name",
    ),
    "model without a name": ("DELETE FROM model_names WHERE name = 'm'", "versions of a name"),
    "alias of nothing": (
        "UPDATE model_names SET alias_of = 'mdl_gone' WHERE name = 'champion'",
        "a name is of models or an alias",
    ),
    "alias that models have for a name": (
        "UPDATE model_names SET alias_of = :model WHERE name = 'm'",
        "a name is of models or an alias",
    ),
    "dataset gone under a queued job": ("DELETE FROM datasets", "has its datasets"),
    "dataset forgotten by a running job": (
        "UPDATE job_datasets SET dataset_id = NULL WHERE job_id = :running",
        "has its datasets",
    ),
    "key without an answer": (
        "INSERT INTO idempotency_keys (scope, key, request_sha256, created_at)"
        " VALUES ('POST /v1/jobs', 'k', 'x', '2031-05-17 00:00:00')",
        "has its answer",
    ),
    "orphaned epochs": ("DELETE FROM jobs WHERE id = :running", "epochs are of a job"),
    "orphaned events": ("DELETE FROM jobs WHERE id = :queued", "events are of a job"),
    "orphaned model": ("DELETE FROM jobs WHERE id = :succeeded", "models are of a job"),
    "orphaned scores": ("DELETE FROM jobs WHERE id = :succeeded", "evaluations are of a job"),
    "orphaned log": ("DELETE FROM jobs WHERE id = :failed", "job_logs are of a job"),
    "orphaned links": ("DELETE FROM jobs WHERE id = :failed", "job_datasets are of a job"),
    "state that was not told": (
        "DELETE FROM events WHERE job_id = :failed AND what = 'state'",
        "the last state told",
    ),
    "state told otherwise": (
        """UPDATE events SET data = '{"state":"queued"}' WHERE job_id = :failed""",
        "the last state told",
    ),
    "end told otherwise": (
        """UPDATE events SET data = '{"state":"succeeded"}'
           WHERE job_id = :failed AND what = 'done'""",
        "the end told",
    ),
    "epoch without its number": (
        "UPDATE events SET data = '{}' WHERE job_id = :running AND what = 'epoch'",
        "an epoch is told by its number",
    ),
}


@pytest.mark.parametrize("what", BREACHES)
def test_each_breach_is_found_and_named(
    unguarded: tuple[Database, dict[str, str]], what: str
) -> None:
    database, made = unguarded
    statement, invariant = BREACHES[what]
    breaches = []
    with suppress(Undo), database.write() as s:
        needed = {name: value for name, value in made.items() if f":{name}" in statement}
        s.execute(text(statement), needed)
        breaches = audit.audit(s)
        raise Undo
    assert [breach for breach in breaches if invariant in breach.invariant], breaches
    assert all(breach.of and breach.detail for breach in breaches)


def test_every_invariant_is_broken_by_one_of_the_breaches() -> None:
    told = [invariant for _, invariant in BREACHES.values()]
    everything = [*audit._QUERIES, *audit._orphans(), *audit._told()]
    assert [one for one in everything if not any(part in one for part in told)] == []
    # The file's own wholeness is the last one, and no statement breaks it.
    assert audit.invariants() == len(everything) + 1
