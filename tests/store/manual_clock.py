"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from service.store.clock import Moment


class ManualClock:
    """Both clocks of the store; each can be moved alone."""

    def __init__(self) -> None:
        self.boot = "boot-1"
        self.seconds = 1000.0
        self.wall = datetime(2031, 5, 17, 12, 0, tzinfo=UTC)

    def lease(self) -> Moment:
        return Moment(source=self.boot, seconds=self.seconds)

    def utc(self) -> datetime:
        return self.wall

    def pass_seconds(self, seconds: float) -> None:
        """Let both clocks run."""
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def restart_machine(self) -> None:
        """Begin to count anew, under another boot id."""
        self.boot = "boot-2"
        self.seconds = 3.0
