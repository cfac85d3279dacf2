"""The worker's side of a lease: a thread beats for it, and every write shows its token."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from service.domain.errors import FitpointError, LeaseLost, Unavailable
from service.store import claims
from service.store.claims import LEASE_SECONDS
from service.store.database import Database
from service.store.sessions import WriteSession

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# A lease that ends sooner is renewed before anything is written under it.
MARGIN_SECONDS = 5.0
# How long the database may stay away, beyond the lease, before the attempt is given up.
OUTAGE_SECONDS = 60.0
_RETRY_SECONDS = 0.5
P = ParamSpec("P")
T = TypeVar("T")


def own_seconds() -> float:
    """Return the time of a clock that nobody sets and that goes on while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """A claim's lease while its job is carried; a context in which a thread beats for it.

    What the job does meanwhile, train in this thread, start a child or write large files, cannot
    let it run out. The fence is what guarantees that one worker writes; this one's clock is a
    second guard: by it, nothing is written under a lease that has less than 5 s left. Then the
    lease is renewed first, which the fence refuses once somebody else has the job.
    """

    def __init__(
        self,
        database: Database,
        job_id: str,
        token: int,
        *,
        claimed_at: float | None = None,
        clock: Callable[[], float] = own_seconds,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        """`claimed_at` is the clock's time just before the claim; default: now."""
        self._database = database
        self._job_id = job_id
        self._token = token
        self._clock = clock
        self._beat_seconds = beat_seconds
        self._beaten_at = clock() if claimed_at is None else claimed_at
        self._cancelled_at: float | None = None
        self._lost: FitpointError | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job_id}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def seconds_since_cancel(self) -> float | None:
        """How long ago a cancel was seen, None without one."""
        cancelled_at = self._cancelled_at
        return None if cancelled_at is None else self._clock() - cancelled_at

    @property
    def is_given_up(self) -> bool:
        """Whether the database stayed away for so long that somebody else will have the job."""
        return self._clock() - self._beaten_at > LEASE_SECONDS + OUTAGE_SECONDS

    def require(self) -> None:
        """Raise LeaseLost when the lease is known to be lost, Unavailable when it is given up."""
        if self._lost is not None:
            raise self._lost
        if self.is_given_up:
            raise Unavailable("The database did not answer for longer than the lease.")

    def write(
        self,
        change: Callable[Concatenate[WriteSession, str, int, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return `change(session, job_id, token, ...)` of one transaction.

        While the database is unavailable it is tried again, until the lease is given up.

        Raises:
            LeaseLost: somebody else has the job, or it has ended.
            Unavailable: the database did not come back.
        """
        while True:
            self.require()
            try:
                if self._is_late():
                    self._renew()
                with self._database.write() as session:
                    return change(session, self._job_id, self._token, *args, **kwargs)
            except Unavailable as error:
                log.warning("A write waits: %s", error.detail, extra={"job": self._job_id})
                if self.is_given_up:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _is_late(self) -> bool:
        return self._clock() - self._beaten_at > LEASE_SECONDS - MARGIN_SECONDS

    def _renew(self) -> None:
        # Before and not after: the store may have read its clock a while before it committed.
        began = self._clock()
        with self._database.write() as session:
            cancel_asked = claims.heartbeat(session, self._job_id, self._token)
        self._beaten_at = max(self._beaten_at, began)
        if cancel_asked and self._cancelled_at is None:
            self._cancelled_at = began

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_seconds):
            try:
                self._renew()
            except Unavailable as error:
                log.warning("No heartbeat: %s", error.detail, extra={"job": self._job_id})
            except LeaseLost as error:
                if not self._ended.is_set():
                    self._lost = error
                return
            except Exception:
                log.exception("The heartbeat failed", extra={"job": self._job_id})
