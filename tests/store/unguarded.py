"""A database from which every guard was taken, so that a test can do to it what a bug could."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

from service.store.database import Database


def lift_guards(database: Database) -> None:
    """Take constraints, triggers and unique indexes away; the rows stay."""
    with database.alter() as connection:
        if connection.dialect.name == "sqlite":
            _rebuild_sqlite(connection)
        else:
            _strip_postgresql(connection)


def _rebuild_sqlite(connection: Connection) -> None:
    names = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    for name in connection.scalars(text(names)).all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    for table in inspect(connection).get_table_names():
        # As a copy of its rows a table has no constraint at all, and no row numbers of its own.
        connection.exec_driver_sql(f"CREATE TABLE copy AS SELECT * FROM {table}")
        connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql(f"ALTER TABLE copy RENAME TO {table}")


def _strip_postgresql(connection: Connection) -> None:
    for query in (
        "SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger"
        " WHERE NOT tgisinternal",
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        " ORDER BY contype = 'f' DESC",
        "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index"
        " WHERE indisunique AND indrelid IN"
        " (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
        "SELECT format('ALTER TABLE %s ALTER %I DROP NOT NULL', attrelid::regclass, attname)"
        " FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attnum > 0 AND attnotnull"
        " AND NOT attisdropped AND c.relkind = 'r' AND relnamespace = 'public'::regnamespace",
    ):
        for statement in connection.scalars(text(query)).all():
            connection.exec_driver_sql(statement)
