from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from service.domain.errors import Unavailable
from service.store import claims, ids, jobs, migrations, models
from service.store.database import Database
from service.store.tables import EventRow, JobRow, Table
from tests.store import samples

ROOT = Path(__file__).parents[2]

# PostgreSQL appends new columns, so that their order is no part of what is compared.
EVERYTHING = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'",
    "postgresql": """
        SELECT c.relname || '.' || attname, concat_ws(' ', format_type(atttypid, atttypmod),
            attnotnull, collname, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        LEFT JOIN pg_collation o ON o.oid = attcollation
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND attnum > 0
            AND NOT attisdropped AND c.relname <> 'alembic_version'
        UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
        UNION ALL SELECT 'index ' || indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
}


def schema(url: str) -> dict[str, str]:
    """Return what makes everything in the database, by name, without its line breaks.

    Without quotes too: SQLite puts them around the name of a table that was renamed.
    """
    with closing(Database.open(url)) as database, database.read() as s:
        query = text(EVERYTHING[s.connection().dialect.name])
        return {
            name: re.sub(r"\s+", " ", sql or "").replace('"', "") for name, sql in s.execute(query)
        }


def alembic(url: str, *arguments: str) -> None:
    """Run Alembic's own command line on pyproject.toml, as a developer does."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def test_migrations_make_what_the_tables_describe(url: str, empty_url: str) -> None:
    with closing(Database.open(empty_url)) as database, database.alter() as connection:
        Table.metadata.create_all(connection)
        # Where a database was migrated there is this table too.
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
    migrated = schema(url)
    assert migrated == schema(empty_url)
    assert {name.removeprefix("index ") for name in migrated} >= {
        "ix_jobs_queued",
        "uq_events_done",
        "tokens_only_grow",
        "events_are_append_only",
    }


def test_down_and_up_again_gives_the_same_schema(own_url: str) -> None:
    before = schema(own_url)
    alembic(own_url, "downgrade", "base")
    assert migrations.current(own_url) is None
    assert not {name for name in schema(own_url) if not name.startswith("sqlite_")}
    alembic(own_url, "upgrade", "head")
    assert schema(own_url) == before


def test_each_step_down_and_up_keeps_what_both_versions_know(own_url: str, empty_url: str) -> None:
    url, older = own_url, empty_url
    alembic(older, "upgrade", "0001")
    newest = schema(url)
    with closing(Database.open(url)) as database:
        fit = samples.trained(database)
        replay, token = samples.replay_and_claim(database, fit.id)
        with database.write() as s:
            claims.record_epochs(s, replay, token, [samples.record(1)], samples.progress(1))
            claims.log(s, replay, token, ["line"])
        rows = samples.submit(database, priority=-1)
    alembic(url, "downgrade", "0001")
    assert schema(url) == schema(older)
    with closing(Database.open(url)) as database, database.read() as s:
        assert set(s.scalars(text("SELECT id FROM jobs"))) == {fit.id, rows.id}
        for table in ("events", "epochs", "job_logs"):
            left = text(f"SELECT count(*) FROM {table} WHERE job_id = :job")
            assert s.scalar(left, {"job": replay}) == 0
    migrations.migrate(url)
    assert schema(url) == newest
    with closing(Database.open(url)) as database:
        assert samples.get(database, fit.id) == fit
        assert samples.get(database, rows.id) == rows
        with pytest.raises(IntegrityError, match="does not change"), database.write() as s:
            s.execute(text("UPDATE jobs SET state = 'queued'"))


def test_migrating_again_keeps_the_rows_and_changes_nothing(url: str) -> None:
    with closing(Database.open(url)) as database:
        job = samples.submit(database)
        before = schema(url)
        migrations.migrate(url)
        assert samples.get(database, job.id) == job
    assert schema(url) == before
    assert migrations.current(url) == migrations.head()


def test_a_file_that_is_not_there_has_no_version_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert migrations.current(f"sqlite:///{path}") is None
    assert not path.exists()


def test_a_database_of_a_newer_version_is_refused_untouched(own_url: str) -> None:
    url = own_url
    with closing(Database.open(url)) as database, database.write() as s:
        s.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = schema(url)
    with pytest.raises(Unavailable, match="9999"):
        migrations.migrate(url)
    assert schema(url) == before
    assert migrations.current(url) == "9999"


def test_alembic_demands_a_url_and_makes_no_scripts(sqlite_url: str) -> None:
    for arguments in (["current"], ["-x", f"url={sqlite_url}", "upgrade", "head", "--sql"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert "Expected" in done.stderr + done.stdout


def test_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    script = """
import sys
from service.store import migrations
print("ready", flush=True)
sys.stdin.readline()
migrations.migrate(sys.argv[1])
print(migrations.current(sys.argv[1]))
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, empty_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out.strip()) == (0, migrations.head()), err


def test_a_wheel_carries_its_migrations_inside_the_package(tmp_path: Path) -> None:
    """The layout that pyproject.toml's force-include gives, run from another folder."""
    for folder in ("domain", "store"):
        shutil.copytree(ROOT / "service" / folder, tmp_path / "site" / "service" / folder)
    shutil.copy(ROOT / "service" / "__init__.py", tmp_path / "site" / "service")
    shutil.copytree(ROOT / "alembic", tmp_path / "site" / "service" / "_alembic")
    url = f"sqlite:///{tmp_path}/wheel.db"
    script = """
import sys
import service
from service.store import migrations
assert service.__file__.startswith(sys.argv[2]), service.__file__
migrations.migrate(sys.argv[1])
"""
    subprocess.run(
        [sys.executable, "-c", script, url, str(tmp_path)],
        cwd=tmp_path / "site",
        env={"PYTHONPATH": str(tmp_path / "site")},
        check=True,
    )
    assert migrations.current(url) == migrations.head()


def test_a_folder_with_percent_signs_is_found(tmp_path: Path) -> None:
    package = tmp_path / "100%(here)s" / "service"
    (package / "_alembic").mkdir(parents=True)
    assert migrations.script_location(package) == package / "_alembic"
    (package / "_alembic").rmdir()
    assert migrations.script_location(package) == package.parent / "alembic"


def test_rows_that_point_nowhere_undo_the_migration(sqlite_database: Database) -> None:
    with sqlite_database.write() as s:
        job = jobs.submit(s, samples.new_job(samples.register(s).id))
    with pytest.raises(Unavailable, match="job_datasets"), sqlite_database.alter() as connection:
        connection.execute(text("DELETE FROM datasets"))
    with sqlite_database.read() as read:
        assert jobs.datasets_of(read, job.id).keys() == {"digits"}


def test_a_row_that_points_nowhere_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), database.write() as s:
        s.execute(text("INSERT INTO job_datasets VALUES ('none', 'x', NULL, 'x')"))


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "guess"}, "ck_jobs_kind"),
        ({"state": "aborting"}, "ck_jobs_state"),
        ({"state": "running"}, "ck_jobs_running_is_leased"),
        ({"lease_owner": "wrk_a"}, "ck_jobs_running_is_leased"),
        (
            {"state": "running", "lease_owner": "wrk_a", "lease_until": 1.0},
            "ck_jobs_running_is_leased",
        ),
        ({"state": "failed", "error_code": "x", "error": {}}, "ck_jobs_ended_has_time"),
        ({"error_code": "x", "error": {}}, "ck_jobs_failed_has_code"),
        ({"error": {}}, "ck_jobs_code_has_error"),
        ({"model_sha256": "x"}, "ck_jobs_model_only_of_success"),
        ({"state": "succeeded", "finished_at": samples.NOW}, "ck_jobs_fit_leaves_model"),
        ({"cancel_requested_at": samples.NOW}, "ck_jobs_cancel_is_kept"),
        (
            {
                "state": "succeeded",
                "finished_at": samples.NOW,
                "model_sha256": "x",
                "cancel_requested_at": samples.NOW,
            },
            "ck_jobs_cancel_is_kept",
        ),
        ({"state": "cancelled", "finished_at": samples.NOW}, "ck_jobs_cancelled_was_asked"),
        ({"run_after": 1.0}, "ck_jobs_run_after_clock"),
        ({"lease_token": 0, "attempt": 1}, "ck_jobs_counters"),
        ({"stalls": -1}, "ck_jobs_counters"),
        ({"kind": "replay"}, "ck_jobs_replay_is_told"),
        ({"replay": {}}, "ck_jobs_replay_is_told"),
        ({"replay_of": "job_x"}, "ck_jobs_only_replay_is_of"),
        (
            {
                "kind": "replay",
                "replay": {},
                "state": "succeeded",
                "finished_at": samples.NOW,
                "model_sha256": "x",
            },
            "ck_jobs_replay_leaves_no_model",
        ),
        (
            {"kind": "replay", "replay": {}, "ckpt_epoch": 1, "ckpt_fingerprint": "x"},
            "ck_jobs_replay_from_the_start",
        ),
        ({"ckpt_epoch": 1}, "ck_jobs_checkpoint_is_whole"),
        ({"ckpt_epoch": 0, "ckpt_fingerprint": "x"}, "ck_jobs_checkpoint_is_whole"),
    ],
)
def test_the_database_itself_refuses_a_job_that_contradicts_itself(
    database: Database, values: dict[str, Any], constraint: str
) -> None:
    samples.submit(database)
    with database.write() as s:
        row = s.execute(select(JobRow.__table__)).mappings().one()
    other = ids.new_id("job", samples.NOW, row["id"])
    with pytest.raises(IntegrityError, match=constraint), database.write() as s:
        s.execute(insert(JobRow), [{**row, **values, "id": other}])
    with database.read() as read:
        assert samples.states(read) == {"queued": 1}


def test_the_database_itself_keeps_events_tokens_and_ends(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    with pytest.raises(IntegrityError, match="append-only"), database.write() as s:
        s.execute(update(EventRow).values(what="trial"))
    with pytest.raises(IntegrityError, match="only grow"), database.write() as s:  # noqa: PT012
        claims.release(s, job_id, token)
        s.execute(update(JobRow).values(lease_token=0, attempt=0))
    with database.write() as s:
        samples.succeed(s, job_id, token)
    with pytest.raises(IntegrityError, match="does not change"), database.write() as s:
        s.execute(update(JobRow).values(state="queued", finished_at=None, model_sha256=None))
    with pytest.raises(IntegrityError, match=r"(?i)unique"), database.write() as s:
        s.execute(
            text(
                "INSERT INTO events (job_id, token, what, at, data) "
                "SELECT job_id, token, what, at, data FROM events WHERE what = 'done'"
            )
        )


LEASE = {"lease_owner": "wrk_b", "lease_until": 9.0, "lease_clock": "boot-1"}
NO_LEASE = dict.fromkeys(LEASE)
ENDED = {**NO_LEASE, "finished_at": samples.NOW}


@pytest.mark.parametrize(
    ("state", "values", "why"),
    [
        ("queued", {**ENDED, "state": "succeeded", "model_sha256": "x"}, "runs by a claim"),
        ("queued", {**ENDED, "state": "failed", "error_code": "x", "error": {}}, "by a claim"),
        ("queued", {**LEASE, "state": "running", "attempt": 1}, "runs by a claim"),
        ("queued", {**LEASE, "state": "running", "lease_token": 1}, "runs by a claim"),
        ("running", {"lease_token": 2}, "held job is not claimed"),
        ("running", {"lease_owner": "wrk_b"}, "held job is not claimed"),
        ("asked", {"cancel_requested_at": None}, "cancel is kept"),
        ("asked", {**NO_LEASE, "state": "queued", "cancel_requested_at": None}, "cancel is kept"),
        ("asked", {**NO_LEASE, "state": "queued"}, "ck_jobs_cancel_is_kept"),
        ("asked", {**ENDED, "state": "succeeded", "model_sha256": "x"}, "ck_jobs_cancel_is_kept"),
    ],
)
def test_the_database_itself_refuses_what_the_state_machine_does_not_know(
    database: Database, state: str, values: dict[str, Any], why: str
) -> None:
    job_id = samples.submit(database).id
    if state != "queued":
        samples.claim(database)
    if state == "asked":
        with database.write() as s:
            jobs.request_cancel(s, job_id)
    before = samples.get(database, job_id)
    with pytest.raises(IntegrityError, match=why), database.write() as s:
        s.execute(update(JobRow).values(values))
    assert samples.get(database, job_id) == before


def test_the_database_itself_keeps_histories_models_ends_and_unfinished_jobs(
    database: Database,
) -> None:
    job_id, token = samples.submit_and_claim(database)
    with database.write() as s:
        claims.record_epochs(s, job_id, token, [samples.record(1)], samples.progress(1))
    for why, statement in (
        ("histories are append-only", "UPDATE epochs SET seconds = 1"),
        (
            "epoch is missing",
            "INSERT INTO epochs (job_id, trial, fold, epoch, attempt, seconds, samples_per_second,"
            " metrics) SELECT job_id, trial, fold, 3, attempt, seconds, samples_per_second, metrics"
            " FROM epochs",
        ),
        (
            "epoch is missing",
            "INSERT INTO epochs (job_id, trial, fold, epoch, attempt, seconds, samples_per_second,"
            " metrics) SELECT job_id, 2, fold, 2, attempt, seconds, samples_per_second, metrics"
            " FROM epochs",
        ),
        ("not removed", "DELETE FROM jobs"),
        (
            "not done",
            "INSERT INTO events (job_id, token, what, at, data)"
            " SELECT job_id, token, 'done', at, data FROM events WHERE what = 'epoch'",
        ),
    ):
        with pytest.raises(IntegrityError, match=why), database.write() as s:
            s.execute(text(statement))
    with pytest.raises(IntegrityError, match="succeeded job"), database.write() as s:
        models.publish(s, job_id, "m", samples.fitted_model())
