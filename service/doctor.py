"""Looks at an installation from the outside in: what would not work, before it does not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import make_url

import service
from service.domain.errors import FitpointError
from service.executors.process import ProcessExecutor
from service.settings import Settings
from service.storage.damage import damage
from service.store import audit as invariants
from service.store import jobs, migrations, sqlite
from service.store.database import Database
from service.store.named_files import named_files

# An MNIST grid leaves some hundred megabytes; below this something fails soon.
MIN_FREE_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report."""

    subject: str
    works: bool
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what was found, one subject after the other; nothing is changed by looking."""
    yield _python()
    yield _folder("data", settings.data_dir)
    if settings.storage_root != settings.data_dir:
        yield _folder("storage", settings.storage_root)
    yield _sqlite()
    yield from _database(settings.database_url)
    yield from _backend(settings)


def audit(settings: Settings) -> Iterator[Finding]:
    """Yield every breach of the invariants in database and storage, or that there is none.

    Nothing is changed by looking; others go on meanwhile.
    """
    url = settings.database_url
    try:
        if migrations.current(url) is None:
            detail = "there is no database yet: `fitpoint migrate` or `serve` makes it"
            yield Finding(subject="audit", works=False, detail=detail)
            return
        with closing(Database.open(url)) as database, database.read() as s:
            breaches = invariants.audit(s)
            kept = sum(jobs.counts(s).values())
            named = named_files(s)
    except FitpointError as error:
        yield Finding(subject="audit", works=False, detail=error.detail)
        return
    for breach in breaches:
        detail = f"{breach.of}: {breach.detail}. Expected: {breach.invariant}."
        yield Finding(subject="audit", works=False, detail=detail)
    damaged = list(damage(settings.storage_root, named))
    for each in damaged:
        detail = f"{each.path}: {each.detail} Restore it from a backup."
        yield Finding(subject="audit", works=False, detail=detail)
    if not breaches and not damaged:
        files = len(named.datasets) + len(named.artifacts)
        detail = (
            f"{invariants.invariants()} invariants hold for {kept} jobs, "
            f"and {files} datasets and artifacts are whole"
        )
        yield Finding(subject="audit", works=True, detail=detail)


def _python() -> Finding:
    version = platform.python_version()
    return Finding(
        subject="python",
        works=(3, 11) <= sys.version_info[:2] < (3, 14),
        detail=f"{version} on {platform.machine()}, fitpoint {service.__version__}",
    )


def _folder(subject: str, folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        detail = f"{there} cannot be written: {error.strerror}"
        return Finding(subject=subject, works=False, detail=detail)
    free = shutil.disk_usage(there).free
    room = f"{free / 2**30:.1f} GiB free"
    state = str(folder) if folder.exists() else f"{folder} is made by `fitpoint serve`"
    if free < MIN_FREE_BYTES:
        room += ", at least 1 GiB is needed"
    return Finding(subject=subject, works=free >= MIN_FREE_BYTES, detail=f"{state}, {room}")


def _sqlite() -> Finding:
    driver = sqlite.driver()
    mode = sqlite.trusted_journal_mode(driver.sqlite_version_info)
    why = "" if mode == "wal" else ", since this version can lose commits in WAL mode"
    name = driver.__name__.partition(".")[0]
    detail = f"{driver.sqlite_version} ({name}), journal mode {mode}{why}"
    return Finding(subject="sqlite", works=True, detail=detail)


def _database(url: str) -> Iterator[Finding]:
    address = make_url(url)
    is_file = address.get_backend_name() == "sqlite"
    # It may hold a password, which is not shown.
    place = address.database if is_file else address.render_as_string()
    if is_file and not Path(address.database or "").exists():
        detail = f"{place} is made by `fitpoint serve`"
        yield Finding(subject="database", works=True, detail=detail)
        return
    try:
        database = Database.open(url)
        try:
            about = database.about()
        finally:
            database.close()
        current, head = migrations.current(url), migrations.head()
    except FitpointError as error:
        yield Finding(subject="database", works=False, detail=error.detail)
        return
    kind = f"journal mode {about['journal_mode']}" if is_file else f"version {about['version']}"
    detail = f"{place}, {kind}"
    yield Finding(subject="database", works=True, detail=detail)
    if current == head:
        yield Finding(subject="schema", works=True, detail=f"{current}, as this version needs")
    else:
        detail = f"{current}, this version needs {head}: `fitpoint migrate` or `serve` brings it"
        yield Finding(subject="schema", works=True, detail=detail)


def _backend(settings: Settings) -> Iterator[Finding]:
    os.environ["KERAS_BACKEND"] = settings.backend
    executor = ProcessExecutor(device="auto")
    with _children_complain_to() as complaints:
        try:
            # What a worker does when it starts, in a child of its own.
            environment = executor.start()
        except Exception as error:
            why = _last_line(complaints) or str(error)
            detail = f"{settings.backend} does not start: {why}"
            yield Finding(subject="backend", works=False, detail=detail)
            return
        finally:
            executor.close()
    told = [f"{name} {value}" for name, value in environment.versions.items() if value]
    yield Finding(subject="backend", works=True, detail=", ".join(told))
    yield Finding(subject="device", works=True, detail=environment.device)


@contextmanager
def _children_complain_to() -> Iterator[IO[bytes]]:
    """Yield a file that gets what children write to standard error: TensorFlow greets at length."""
    with tempfile.TemporaryFile() as complaints:
        ours = os.dup(2)
        os.dup2(complaints.fileno(), 2)
        try:
            yield complaints
        finally:
            os.dup2(ours, 2)
            os.close(ours)


def _last_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
