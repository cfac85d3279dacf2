"""One reader of a job's events for all who follow the job, however many they are.

The rows are the truth. A feed polls them in short transactions and remembers the latest; a
follower reads the rows itself until it has caught up with the feed, and again when it was so slow
that the feed has forgotten what it lacks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from service.domain.errors import NotFound, Unavailable
from service.store import events
from service.store.database import Database

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
PAGE = 500
REMEMBERED = 2000
# Proxies cut a connection on which nothing comes.
COMMENT_SECONDS = 15.0
COMMENT = b":\n\n"
# How long a client waits before it connects again after a server's end.
BEGINNING = b"retry: 1000\n\n"


@dataclass(frozen=True, kw_only=True)
class Told:
    """An event in the words of the stream."""

    n: int
    text: bytes
    is_last: bool


class Feed:
    """The latest events of one job."""

    def __init__(self, database: Database, job_id: str, stopping: asyncio.Event) -> None:
        self._database = database
        self._job_id = job_id
        self._stopping = stopping
        # Every event above `floor` and up to `end` is remembered; None before the first look.
        self.floor: int | None = None
        self.end = 0
        self.is_over = False
        self.followers = 0
        self.changed = asyncio.Event()
        self._recent: deque[Told] = deque()

    def since(self, n: int) -> list[Told]:
        """Return the remembered events after number `n`, oldest first."""
        found = []
        for told in reversed(self._recent):
            if told.n <= n:
                break
            found.append(told)
        return found[::-1]

    async def run(self) -> None:
        """Look for events until the job is gone, the server stops, or this task is cancelled."""
        while not self._stopping.is_set():
            try:
                if await self._look():
                    continue
            except NotFound:
                break
            except Unavailable as error:
                log.warning("events wait for the database: %s", error.detail)
            except Exception:
                log.exception("the events of a job cannot be read", extra={"job": self._job_id})
            await asyncio.sleep(POLL_SECONDS)
        self.is_over = True
        self._tell()

    async def page(self, after: int) -> list[Told]:
        """Return the next events after number `after`, at most `PAGE`, in one transaction."""
        return await run_in_threadpool(self._read, after)

    async def _look(self) -> bool:
        """Read once; return whether there may be more at once."""
        if self.floor is None:
            self.floor = self.end = await run_in_threadpool(self._last)
            self._tell()
            return True
        page = await self.page(self.end)
        if page:
            self._remember(page)
            self._tell()
        return len(page) == PAGE

    def _remember(self, page: Sequence[Told]) -> None:
        self._recent.extend(page)
        self.end = page[-1].n
        while len(self._recent) > REMEMBERED:
            self.floor = self._recent.popleft().n

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def _last(self) -> int:
        with self._database.read() as s:
            return events.last(s, self._job_id)

    def _read(self, after: int) -> list[Told]:
        with self._database.read() as s:
            page = events.after(s, self._job_id, after, PAGE)
        return [_told(event) for event in page]


class Feeds:
    """The feeds of the jobs that somebody follows."""

    def __init__(self, database: Database, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping
        self._feeds: dict[str, tuple[Feed, asyncio.Task[None]]] = {}

    async def follow(self, job_id: str, after: int) -> AsyncIterator[bytes]:
        """Yield a job's events after number `after` as they come, until the last one.

        Ends early when the server stops or the job is deleted.
        """
        yield BEGINNING
        feed = self._join(job_id)
        try:
            async for piece in _followed(feed, after):
                yield piece
        finally:
            self._leave(job_id, feed)

    async def close(self) -> None:
        """End every feed."""
        tasks = [task for _, task in self._feeds.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _join(self, job_id: str) -> Feed:
        feed, _ = self._feeds.get(job_id, (None, None))
        if feed is None or feed.is_over:
            feed = Feed(self._database, job_id, self._stopping)
            self._feeds[job_id] = feed, asyncio.create_task(feed.run())
        feed.followers += 1
        return feed

    def _leave(self, job_id: str, feed: Feed) -> None:
        feed.followers -= 1
        current, task = self._feeds.get(job_id, (None, None))
        if feed.followers == 0 and current is feed and task is not None:
            task.cancel()
            del self._feeds[job_id]


async def _followed(feed: Feed, after: int) -> AsyncIterator[bytes]:
    # Everything up to `position` was told; None until the rows were read after the feed began.
    position: int | None = None
    while True:
        changed, floor = feed.changed, feed.floor
        if feed.is_over and (position is None or not feed.since(position)):
            return
        if floor is None:
            await _change(changed)
            continue
        if position is not None and position >= floor:
            page = feed.since(position)
            if not page:
                if not await _change(changed):
                    yield COMMENT
                continue
            position = page[-1].n
        else:
            # Looked up before the rows are read: all that the feed knows by now is among them.
            known = feed.end
            try:
                page = await feed.page(after)
            except Unavailable:
                await asyncio.sleep(POLL_SECONDS)
                continue
            except NotFound:
                return
            if len(page) < PAGE:
                position = max(known, after, *(told.n for told in page))
        told_now = list(_until_last(page))
        if told_now:
            after = told_now[-1].n
            yield b"".join(told.text for told in told_now)
            if told_now[-1].is_last:
                return


def _until_last(page: Sequence[Told]) -> Iterator[Told]:
    for told in page:
        yield told
        if told.is_last:
            return


async def _change(changed: asyncio.Event) -> bool:
    """Wait for the feed to have something new; False when it is time for a comment."""
    try:
        async with asyncio.timeout(COMMENT_SECONDS):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _told(event: events.Event) -> Told:
    data = to_json(event.data, inf_nan_mode="null")
    text = b"id: %d\nevent: %b\ndata: %b\n\n" % (event.n, event.what.encode(), data)
    return Told(n=event.n, text=text, is_last=event.what == "done")
