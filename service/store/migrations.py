"""The schema's versions: where the scripts are, which one a database has, how it gets the last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from service.domain.errors import Unavailable
from service.store.database import Database, backend_of


def migrate(url: str) -> None:
    """Bring the database at `url` to the last version; a file is made when it is not there.

    The whole way is one transaction under a lock: of two processes that start at once the
    second waits and then finds nothing to do, and one that is killed leaves nothing half done.

    Raises:
        Unavailable: the database cannot be written, or a newer Fitpoint has migrated it.
    """
    with schema_change(url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unavailable(
                f"Expected a database of this version of Fitpoint or an older one. {error}. "
                "Start the version that made it, or restore a backup."
            ) from error


def current(url: str) -> str | None:
    """Return the version of the database at `url`, None when it has none or is not there."""
    if not backend_of(url).exists():
        return None
    with closing(Database.open(url)) as database, database.read() as s:
        return MigrationContext.configure(s.connection()).get_current_revision()


def head() -> str:
    """Return the last version that this code knows."""
    (revision,) = ScriptDirectory.from_config(_config()).get_heads()
    return revision


@contextmanager
def schema_change(url: str) -> Iterator[Connection]:
    """Yield a connection to the database at `url` that may change its schema, alone."""
    with closing(Database.open(url)) as database, database.alter() as connection:
        yield connection


def script_location(package: Path) -> Path:
    """Return where the scripts of the package at `package` are.

    A wheel carries them inside the package; a checkout has them beside it.
    """
    packaged = package / "_alembic"
    return packaged if packaged.is_dir() else package.parent / "alembic"


_PACKAGE = Path(__file__).resolve().parent.parent


def _config() -> Config:
    config = Config()
    # Alembic reads the option through ConfigParser, to which % means something.
    config.set_main_option("script_location", str(script_location(_PACKAGE)).replace("%", "%%"))
    return config
