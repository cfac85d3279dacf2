"""How Alembic reaches the database: through the connection that the store hands over.

`fitpoint migrate` is the way to migrate. For a developer's `alembic revision` or `alembic
downgrade`, name the database: `alembic -x url=sqlite:///fitpoint-data/fitpoint.db downgrade -1`.
"""

from __future__ import annotations

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from service.store import migrations
from service.store.tables import Table


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        # SQLite changes a table by making it anew.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise CommandError("Expected a database to migrate. SQL scripts (--sql) are not made.")

given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.get_x_argument(as_dictionary=True).get("url")
    if not isinstance(url, str):
        raise CommandError("Expected the database's URL: alembic -x url=sqlite:///path ...")
    with migrations.schema_change(url) as opened:
        run(opened)
