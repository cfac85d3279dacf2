"""What endpoints are given: the resources of the application, a page of a list, a reference."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Query, Request

from service.domain.schema import ColumnName
from service.serving import Serving
from service.settings import Settings
from service.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one application holds from its start to its end."""

    settings: Settings
    database: Database
    serving: Serving
    stopping: asyncio.Event


def _resources(request: Request) -> Resources:
    return cast(Resources, request.app.state.resources)


ResourcesOf = Annotated[Resources, Depends(_resources)]


def _database(resources: ResourcesOf) -> Database:
    return resources.database


def _settings(resources: ResourcesOf) -> Settings:
    return resources.settings


def _serving(resources: ResourcesOf) -> Serving:
    return resources.serving


DatabaseOf = Annotated[Database, Depends(_database)]
SettingsOf = Annotated[Settings, Depends(_settings)]
ServingOf = Annotated[Serving, Depends(_serving)]

Reference = Annotated[str, Path(min_length=1, max_length=160)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
After = Annotated[
    str | None, Query(max_length=160, description="The `next` of the page before this one.")
]
ColumnQuery = Annotated[ColumnName, Query(description="A column of the dataset.")]
