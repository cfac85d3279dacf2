"""A copy of the database as it is at one moment, while others read and write it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from service.domain.errors import InvalidSpec, Unavailable
from service.store.sqlite import driver

_BUSY_SECONDS = 10.0


def snapshot(url: str, target: Path) -> None:
    """Copy the SQLite database at `url` into the new file `target`, whole and by itself.

    SQLite's own online backup: a copy of the file alone would lack what the write-ahead log has.

    Raises:
        InvalidSpec: the database is none of SQLite.
        Unavailable: it is not there, stays locked, or is damaged.
    """
    file = sqlite_file(url)
    if not file.is_file():
        raise Unavailable(f"Expected a database at {file}. There is none.")
    sqlite = driver()
    try:
        with (
            closing(sqlite.connect(str(file), timeout=_BUSY_SECONDS)) as source,
            closing(sqlite.connect(str(target))) as copy,
        ):
            source.backup(copy)
            # The copy would otherwise want a write-ahead log of its own beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            (state,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite.Error as error:
        raise Unavailable(f"The database could not be copied: {error}.") from error
    if state != "ok":
        raise Unavailable(f"The database is damaged: {state}. Restore an earlier backup.")


def sqlite_file(url: str) -> Path:
    """Return the file of an SQLite database.

    Raises:
        InvalidSpec: it is another database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise InvalidSpec(
            "Expected a database of SQLite. Received one of PostgreSQL, whose own tools copy it: "
            "`pg_dump`, and then a copy of the storage's folder, whose files never change."
        )
    return Path(parsed.database)
