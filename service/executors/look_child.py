"""The child that looks at a large table; `service.executors.looking` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.domain.schema import Value
from service.engine.looks import Look, look
from service.executors.answering import answer, hide_pandas


class LookRequest(Value):
    """What to look at, in which canonical file, and where to write the answer."""

    look: Look
    table: Path
    written: Path


def main() -> None:
    """Answer one `LookRequest` with how many bytes were written."""
    answer(LookRequest, _looked, lambda _: "Expected a table that fits into memory. It needs more.")


def _looked(request: LookRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.tables.table import Table

    try:
        table = Table.open(request.table)
    except OSError as error:
        raise Unavailable("The rows of the dataset cannot be read from the storage.") from error
    return {"bytes": request.written.write_bytes(look(table, request.look))}


if __name__ == "__main__":
    main()
