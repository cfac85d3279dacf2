"""The child's end of a question: `service.executors.asking` starts it and waits for the answer.

One request comes as JSON on standard input, one answer goes as JSON to what was standard output:
libraries print to it what they please, so it is theirs no more.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from service.domain.errors import FitpointError, NoSpace, TooLarge, Unavailable, is_disk_full
from service.domain.schema import Value
from service.executors.lifeline import die_with_parent
from service.executors.network_ban import forbid_network

Request = TypeVar("Request", bound=Value)

_CANNOT_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class Answer(Value):
    """What was asked for, or the error as it is stored."""

    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def answer(
    kind: type[Request],
    work: Callable[[Request], dict[str, Any]],
    needs_more_memory: Callable[[Request], str],
    *,
    needs_network: Callable[[Request], bool] = lambda _: False,
) -> None:
    """Read the request, do it, write the answer. Anything unforeseen ends the process.

    Args:
        kind: the type of the request.
        work: returns the answer as JSON values.
        needs_more_memory: returns the sentence for a request that memory did not suffice for.
        needs_network: returns whether it has to download; else the child can open no socket.
    """
    out = os.dup(1)
    os.dup2(2, 1)
    request = kind.model_validate_json(sys.stdin.buffer.read())
    die_with_parent(int(sys.argv[1]))
    if not needs_network(request):
        forbid_network()
    try:
        told = Answer(result=work(request))
    except FitpointError as error:
        told = Answer(error=error.as_stored())
    except MemoryError:
        told = Answer(error=TooLarge(needs_more_memory(request)).as_stored())
    except OSError as error:
        told = Answer(error=_of_the_disk(error).as_stored())
    with os.fdopen(out, "wb") as pipe:
        pipe.write(told.model_dump_json().encode())


def _of_the_disk(error: OSError) -> FitpointError:
    """Return what an error says of the disk that the table goes to, or raise it again."""
    if is_disk_full(error):
        return NoSpace("Expected room on the disk for the table. It is full: delete something.")
    if error.errno not in _CANNOT_WRITE:
        raise error
    return Unavailable(
        f"Expected a storage folder that takes the table. It does not: {error.strerror}."
    )


def hide_pandas() -> None:
    """Make pandas unimportable in this process.

    pyarrow looks for it whenever it is given a value: 0.6 s and 50 MB for nothing here.
    """
    sys.meta_path.insert(0, _WithoutPandas)


class _WithoutPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
