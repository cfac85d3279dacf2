"""A PostgreSQL server of our own: in a temporary folder, on a socket in it, as an ordinary user."""

from __future__ import annotations

import itertools
import os
import pwd
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
# initdb and postgres refuse to run as root; the package brings the first user.
_USERS = ("postgres", "nobody")


def missing() -> str | None:
    """Return why no server can be started here, or None."""
    if _program("initdb") is None:
        return "PostgreSQL's initdb is not installed (Debian: apt-get install postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (pip install -e '.[postgres]')"
    return None


def require() -> None:
    """Skip the test that asks where no server can be started; fail it where one must."""
    why = missing()
    if why is not None:
        if os.environ.get("FITPOINT_TEST_POSTGRES") == "required":
            pytest.fail(f"FITPOINT_TEST_POSTGRES=required: {why}")
        pytest.skip(why)


class PrivateCluster:
    """A running server; it ends with `close()`, and its folder goes with it."""

    def __init__(self, *, durable: bool = False) -> None:
        # What a killed postgres has written is still there; only a dead machine forgets it.
        self._fsync = "on" if durable else "off"
        self._user = _ordinary_user()
        self.folder = Path(tempfile.mkdtemp(prefix="fitpoint-pg-"))
        self.port = random.randrange(20_000, 60_000)
        self._names = itertools.count(1)
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        try:
            self._run("initdb", "--auth=trust", "--username=fitpoint", "--encoding=UTF8", "-N")
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "''",
            "unix_socket_directories": str(self.folder),
            "port": str(self.port),
            "shared_buffers": "32MB",
            "max_connections": "120",
            "fsync": self._fsync,
        }
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={words}")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" is a crash, "fast" ends its connections in order."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://fitpoint@/{database}?host={self.folder}&port={self.port}"

    def create(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever still uses it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, name: str) -> None:
        """Remove every row of a migrated database, and who still uses it."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )
        self.execute(
            "DO 'BEGIN EXECUTE (SELECT $$TRUNCATE $$ || string_agg(quote_ident(tablename), $$,$$) "
            "|| $$ RESTART IDENTITY$$ FROM pg_tables WHERE schemaname = $$public$$ "
            "AND tablename <> $$alembic_version$$); END'",
            name,
        )

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside of any transaction."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        path = _program(program)
        assert path is not None, missing()
        user = self._user
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [path, f"--pgdata={self.data}", *arguments],
                # Where that user may be.
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                # A server that lives on must not hold a pipe that a reader waits for.
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
                check=False,
            )
            errors.seek(0)
            assert done.returncode == 0, errors.read().decode(errors="replace")


def _ordinary_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _USERS if name in known)


def _program(name: str) -> str | None:
    """Return the newest version of a program; Debian does not put them on the PATH."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name)
