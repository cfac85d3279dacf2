"""The command line: what it refuses, with which status, and what it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import service
from service.settings import variables
from service.store import sqlite

ROOT = Path(__file__).parent.parent


def fitpoint(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if name not in variables().values()
    }
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={
            **inherited,
            "FITPOINT_DATA_DIR": str(folder / "data"),
            "COLUMNS": "200",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_version_is_the_packages(tmp_path: Path) -> None:
    assert fitpoint("--version", folder=tmp_path).stdout.strip() == service.__version__


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "x"],
        ["serve", "--prot", "8000"],
        ["sreve"],
        ["worker", "--device", "gpu"],
        ["worker", "--device", "tpu:0"],
        ["demo", "--data", "cifar"],
        ["demo", "--train", "pyproject.toml"],
        ["demo", "--train", "missing.csv", "--test", "missing.csv"],
    ],
    ids=" ".join,
)
def test_misuse_exits_with_2_and_says_why(arguments: list[str], tmp_path: Path) -> None:
    done = fitpoint(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "doctor", "openapi"])
def test_an_unknown_variable_stops_every_command_that_reads_them(
    command: str, tmp_path: Path
) -> None:
    done = fitpoint(command, folder=tmp_path, FITPOINT_SLOT="2")
    assert done.returncode == 2
    assert "Did you mean FITPOINT_SLOTS?" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_a_host_that_others_reach_is_refused_while_there_are_no_keys(
    host: str, tmp_path: Path
) -> None:
    done = fitpoint("serve", "--host", host, "--port", "0", folder=tmp_path)
    assert done.returncode == 2
    assert "loopback" in done.stderr
    assert "FITPOINT_TRUSTED_NETWORK=1" in done.stderr


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [
        ("worker", {}, "fitpoint migrate"),
        ("serve", {"FITPOINT_DATA_DIR": "/proc/nowhere"}, "FITPOINT_DATA_DIR"),
        ("serve", {"FITPOINT_DATABASE_URL": "sqlite:////proc/nowhere/x"}, "folder"),
    ],
)
def test_what_cannot_start_says_what_to_do_and_shows_no_traceback(
    command: str, environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    done = fitpoint(command, folder=tmp_path, **environment)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_makes_the_database_and_says_when_nothing_was_to_do(tmp_path: Path) -> None:
    first = fitpoint("migrate", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "->" in first.stdout
    assert (tmp_path / "data" / "fitpoint.sqlite").exists()
    second = fitpoint("migrate", folder=tmp_path)
    assert "as before" in second.stdout


def test_openapi_prints_the_document_and_nothing_else(tmp_path: Path) -> None:
    done = fitpoint("openapi", folder=tmp_path)
    document = json.loads(done.stdout)
    assert document["info"]["version"] == service.__version__
    assert "/v1/jobs" in document["paths"]
    # Describing the service must not begin it.
    assert not (tmp_path / "data").exists()


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_doctor_finds_nothing_wrong_before_the_first_start(tmp_path: Path) -> None:
    done = fitpoint("doctor", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    subjects = [line.split()[1] for line in done.stdout.splitlines()]
    assert subjects == ["python", "data", "sqlite", "database", "backend", "device"]
    assert re.search(r"keras \d", done.stdout)
    assert not (tmp_path / "data").exists()


def test_an_audit_tells_each_breach_exits_with_1_and_changes_nothing(tmp_path: Path) -> None:
    refused = fitpoint("doctor", "--audit", folder=tmp_path)
    assert refused.returncode == 1
    assert "database" in refused.stdout
    assert fitpoint("migrate", folder=tmp_path).returncode == 0
    sound = fitpoint("doctor", "--audit", folder=tmp_path)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert re.fullmatch(r"ok    audit       \d+ invariants hold for 0 jobs, .*\n", sound.stdout)
    file = tmp_path / "data" / "fitpoint.sqlite"
    with closing(sqlite.driver().connect(str(file))) as connection:
        connection.execute("INSERT INTO job_datasets VALUES ('job_gone', 'digits', NULL, 'x')")
        connection.commit()
    before = file.read_bytes()
    broken = fitpoint("doctor", "--audit", folder=tmp_path)
    assert broken.returncode == 1
    (line,) = broken.stdout.splitlines()
    assert line.startswith("FAIL  audit       job_gone: 1 rows of no job.")
    assert file.read_bytes() == before


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_doctor_tells_what_would_not_work_and_exits_with_1(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "fitpoint.sqlite").write_bytes(b"this is no database" * 100)
    done = fitpoint("doctor", folder=tmp_path)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert "database" in failed[0]
