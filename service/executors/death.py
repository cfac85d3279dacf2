"""How a child died, as far as it can be known; what is only likely is told as likely."""

from __future__ import annotations

import signal

from service.domain.errors import ChildDied, FitpointError, OutOfMemory
from service.executors.memory import Kills

# Of all memory there is: a process that was killed with more of it was hardly killed for another
# reason.
_MOST = 0.8


def died_of(
    code: int | None, before: Kills, after: Kills, held_bytes: int | None, limit_bytes: int | None
) -> FitpointError:
    """Return the error of a child that ended without an answer.

    Args:
        code: its exit status; a signal's number is negative; None when it had to be ended.
        before: the kernel's counters of kills when the child began.
        after: the same after its death.
        held_bytes: what it held in memory when it was last looked at.
        limit_bytes: how much there is for all.
    """
    if code == -signal.SIGKILL:
        if after.own > before.own:
            return _memory("The kernel killed it", "because memory had run out")
        if after.machine > before.machine:
            return _memory(
                "The kernel killed a process for want of memory",
                "and it ended by SIGKILL, so most likely this one",
            )
        if held_bytes is not None and limit_bytes and held_bytes >= _MOST * limit_bytes:
            return _memory(
                f"It held {held_bytes / 2**30:.1f} of {limit_bytes / 2**30:.1f} GiB",
                "and ended by SIGKILL, which is likely how the kernel ends a process when memory "
                "runs out",
            )
    if code is None:
        return ChildDied("The process that trained gave no answer and was ended.")
    return ChildDied(
        f"The process that trained ended without an answer, by {_how(code)}. Submit the job "
        "again, or a smaller one."
    )


def _memory(what: str, why: str) -> OutOfMemory:
    return OutOfMemory(
        f"The process that trained ended without an answer. {what} {why}. Train on fewer rows, "
        "with fewer units, or on a machine with more memory."
    )


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
