"""One question to a child process of its own: what it does wrong fells nobody else."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from service.domain.errors import from_stored
from service.domain.schema import Value
from service.executors.answering import Answer

log = logging.getLogger(__name__)

_NOTHING: Mapping[str, str] = {}


class Ended(Exception):
    """The child ended without an answer; the message says how."""


class TookTooLong(Ended):
    """The child was ended, because its time was over."""


def ask(
    module: str, request: Value, seconds: float, environment: Mapping[str, str] = _NOTHING
) -> dict[str, Any]:
    """Start `module` as a child, send it `request` and return what it answers.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Args:
        module: a module whose `main` calls `service.executors.answering.answer`.
        request: the value that the child's main expects.
        seconds: how long it may take.
        environment: variables that the child has beside this process's own.

    Raises:
        FitpointError: the error that the child answered with.
        Ended: it ended without an answer, or was ended after `seconds`.
    """
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            # -P: a folder called `service` in the current directory is not ours.
            [sys.executable, "-P", "-m", module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            # The same path, so that both run the same code.
            env={**os.environ, "PYTHONPATH": path, **environment},
        )
        with child:
            try:
                answer, _ = child.communicate(request.model_dump_json().encode(), seconds)
            except subprocess.TimeoutExpired as error:
                raise TookTooLong(f"it took more than {seconds:g} seconds") from error
            finally:
                child.kill()
        if child.returncode != 0:
            said.seek(max(0, said.tell() - 2000))
            words = said.read().decode("utf-8", "replace")
            log.warning("%s ended with %s: %s", module, child.returncode, words)
            raise Ended(_how(child.returncode))
    told = Answer.model_validate_json(answer)
    if told.error is not None:
        raise from_stored(told.error)
    return told.result or {}


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
