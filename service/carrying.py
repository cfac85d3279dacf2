"""A claim carried to its end, whatever comes of the work: the half that all attempts share."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from service.domain.errors import (
    CancelRequested,
    ChildDied,
    FitpointError,
    LeaseLost,
    NoSpace,
    OutOfMemory,
    Unavailable,
    is_disk_full,
)
from service.domain.jobs import Claim, Environment, JobState
from service.lease import Lease
from service.settings import Settings
from service.store import claims, rescue
from service.store.database import Database
from service.store.sessions import WriteSession

log = logging.getLogger(__name__)

# A cancel is done within 5 s, a drain within 30 s, however long an epoch takes: what runs longer
# is ended with its process, and goes on from its last checkpoint if it goes on.
CANCEL_SECONDS = 4.0
DRAIN_SECONDS = 20.0
P = ParamSpec("P")
T = TypeVar("T")


class _Drained(Exception):
    """Raised where work would outlast the worker."""


class Carrying:
    """One claim, its lease, its folders and its end; every write shows the claim's token.

    `carry(work)` runs the work and settles what it raises. The work writes with `write`, hands
    `should_stop` to what trains, and ends the job: with a write of its own that succeeds, followed
    by `forget_checkpoints`, with `fail`, or with `hand_back` once training was stopped.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        claim: Claim,
        is_draining: Callable[[], bool],
        *,
        claimed_at: float | None = None,
    ) -> None:
        """`claimed_at` is the time of `service.lease.own_seconds` before the claim."""
        self.job = claim.job
        self.token = claim.token
        self.staging = settings.staging_dir / f"{claim.job.id}.{claim.token}"
        self.checkpoints = settings.storage_root / "checkpoints" / claim.job.id
        # What the job's last checkpoint told of, before this attempt.
        self.told_epochs = 0 if claim.checkpoint is None else claim.checkpoint.epoch
        # Told by the executor that trains; kept with the job, however it ends.
        self.environment: Environment | None = None
        self._lease = Lease(database, claim.job.id, claim.token, claimed_at=claimed_at)
        self._is_draining = is_draining
        self._draining_since: float | None = None

    @property
    def about(self) -> dict[str, object]:
        """The job and its attempt, for a log line."""
        return {"job": self.job.id, "attempt": self.job.attempt}

    @property
    def is_cancelled(self) -> bool:
        """Whether a cancel was asked for: stopped work ends the job, and is not queued again."""
        return self._lease.seconds_since_cancel is not None

    def carry(self, work: Callable[[], None]) -> None:
        """Do the work; afterwards the job has ended, is queued again, or is somebody else's."""
        try:
            with self._lease:
                self._settle(work)
        except LeaseLost:
            log.warning("The lease was lost; what this attempt made is dropped", extra=self.about)
        except Unavailable:
            log.exception("The database did not come back; the lease ends", extra=self.about)
        finally:
            shutil.rmtree(self.staging, ignore_errors=True)

    def write(
        self,
        change: Callable[Concatenate[WriteSession, str, int, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write `change(session, job_id, token, ...)` in one transaction; see `Lease.write`."""
        return self._lease.write(change, *args, **kwargs)

    def should_stop(self) -> bool:
        """Tell whether to end after the epoch in progress: a cancel was asked for, or we drain.

        To be asked at least once a second. It raises when the work must end at once: the lease is
        lost, or the epoch takes longer than a cancel or a drain may.
        """
        self._lease.require()
        cancelled_for = self._lease.seconds_since_cancel
        if cancelled_for is not None and cancelled_for > CANCEL_SECONDS:
            raise CancelRequested("A cancel was asked for.")
        if self._is_draining():
            now = time.monotonic()
            self._draining_since = self._draining_since or now
            if now - self._draining_since > DRAIN_SECONDS:
                raise _Drained
        return cancelled_for is not None or self._draining_since is not None

    def hand_back(self) -> None:
        """End what was stopped: cancelled when that was asked for, else queued again (T8, T11)."""
        if self.is_cancelled:
            self._settled(self.write(claims.acknowledge_cancel))
        else:
            self._settled(self.write(claims.release))

    def fail(self, error: FitpointError) -> None:
        """End the job as failed (T6)."""
        self._settled(self.write(claims.fail, error, self.environment))

    def forget_checkpoints(self) -> None:
        """An ended job has no use for them; a queued one, or somebody else's, goes on from them."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _settle(self, work: Callable[[], None]) -> None:
        try:
            self.staging.mkdir(parents=True)
            work()
        except LeaseLost:
            raise
        except Unavailable as error:
            if self._lease.is_given_up:
                raise
            self._wait(error)
        except CancelRequested:
            # Also accepted between the last epoch and the publication: it must not succeed.
            self._settled(self.write(claims.acknowledge_cancel))
        except _Drained:
            self._settled(self.write(claims.release))
        except ChildDied as error:
            log.error("The training process died: %s", error.detail, extra=self.about)
            self._settled(self.write(rescue.child_died, error))
        except OutOfMemory as error:
            # What else held memory then may be gone: once more, but not again and again.
            log.error("Memory did not suffice: %s", error.detail, extra=self.about)
            self._settled(self.write(rescue.retry_later, error, most=1))
        except FitpointError as error:
            self.fail(error)
        except OSError as error:
            if is_disk_full(error):
                self._wait(NoSpace("The disk is full. It goes on when there is room again."))
            else:
                log.exception("The storage failed", extra=self.about)
                self._wait(Unavailable(f"The storage failed: {error.strerror or error}."))
        except Exception as error:
            log.exception("The attempt failed outside the engine", extra=self.about)
            self.fail(FitpointError(f"The worker failed: {type(error).__name__}. See its log."))

    def _wait(self, error: Unavailable) -> None:
        """Queue the job again: until there is room, or three times after other failures (T7)."""
        log.error("The job waits: %s", error.detail, extra=self.about)
        if isinstance(error, NoSpace):
            self.write(rescue.park, error)
        else:
            self._settled(self.write(rescue.retry_later, error))

    def _settled(self, state: JobState) -> None:
        if state.is_terminal:
            self.forget_checkpoints()
