"""A large table is looked at in a child of its own: what that takes, the API does not hold."""

from __future__ import annotations

import uuid
from pathlib import Path

from service.domain.errors import TooLarge, Unavailable
from service.engine.looks import Look
from service.executors.asking import Ended, TookTooLong, ask
from service.executors.look_child import LookRequest

DEFAULT_SECONDS = 60.0
CHILD = "service.executors.look_child"


def look_at(table: Path, look: Look, folder: Path, *, seconds: float = DEFAULT_SECONDS) -> bytes:
    """Return the answer of a look at a stored table; see the engine's `look`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Args:
        table: the canonical file.
        look: what to look at.
        folder: where the child may leave its answer for a moment.
        seconds: how long it may take.

    Raises:
        InvalidSpec: as the engine's `look`.
        TooLarge: it took too long, or more memory than there is.
        Unavailable: the disk is full, or the child ended without an answer.
    """
    written = folder / f"look-{uuid.uuid4().hex}"
    request = LookRequest(look=look, table=table, written=written)
    try:
        ask(CHILD, request, seconds)
        return written.read_bytes()
    except TookTooLong as end:
        raise TooLarge(
            f"Expected a look that takes at most {seconds:g} seconds. It took longer. Choose fewer "
            "columns, or look at a part that `POST /v1/datasets/{d}/splits` makes."
        ) from end
    except Ended as end:
        raise Unavailable(
            f"The process that looked at the table ended without an answer: {end}. Try again, with "
            "fewer columns if it ends the same way."
        ) from end
    finally:
        written.unlink(missing_ok=True)
