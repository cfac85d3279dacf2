"""What endpoints are given: the resources of the application, a page of a list, a reference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar, cast

import anyio
import anyio.to_thread
from fastapi import Depends, Path, Query, Request

from service.api.feeds import Feeds
from service.domain.schema import ColumnName
from service.serving import Predictors
from service.settings import Settings
from service.store.database import Database

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one application holds from its start to its end."""

    settings: Settings
    database: Database
    predictors: Predictors
    feeds: Feeds
    stopping: asyncio.Event
    # Processes that read uploads or prepare recipes, at once.
    children: anyio.CapacityLimiter

    async def in_child(self, work: Callable[[], T]) -> T:
        """Run what starts a child process and waits for it, a few of them at once.

        The threads that wait are not the request threads: those stay free for quick requests.
        """
        return await anyio.to_thread.run_sync(work, limiter=self.children)


# Coroutines, although they wait for nothing: a plain function would be sent to a thread and back.
async def _resources(request: Request) -> Resources:
    return cast(Resources, request.app.state.resources)


ResourcesOf = Annotated[Resources, Depends(_resources)]


async def _database(resources: ResourcesOf) -> Database:
    return resources.database


async def _settings(resources: ResourcesOf) -> Settings:
    return resources.settings


async def _predictors(resources: ResourcesOf) -> Predictors:
    return resources.predictors


DatabaseOf = Annotated[Database, Depends(_database)]
SettingsOf = Annotated[Settings, Depends(_settings)]
PredictorsOf = Annotated[Predictors, Depends(_predictors)]

Reference = Annotated[str, Path(min_length=1, max_length=160)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
After = Annotated[
    str | None, Query(max_length=160, description="The `next` of the page before this one.")
]
ColumnQuery = Annotated[ColumnName, Query(description="A column of the dataset.")]
