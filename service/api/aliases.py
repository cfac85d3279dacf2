"""Aliases: names that point at a model and can be moved while requests are in flight."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from service.api.answers import Listing, answer, resource
from service.api.bodies import describe, json_body
from service.api.dependencies import After, DatabaseOf, Limit
from service.api.openapi import NOT_MODIFIED, problems
from service.domain.errors import NotFound
from service.domain.names import NAME_PATTERN
from service.domain.schema import Spec
from service.store import aliases
from service.store.aliases import Alias
from service.store.sessions import ReadSession

router = APIRouter(prefix="/v1/aliases", tags=["aliases"])

AliasName = Annotated[str, Path(pattern=NAME_PATTERN, examples=["champion"])]


class AliasBody(Spec):
    """Where an alias is to point."""

    model: Annotated[str, Field(min_length=1, max_length=160)] = Field(
        description="A model's id, an alias, a name or name@version, as it is now."
    )


class AliasView(BaseModel):
    """An alias and the version it points at."""

    alias: str
    model: str = Field(description="The model's id.")
    name: str
    version: int
    updated_at: datetime


class AliasList(Listing[AliasView]):
    """A page of aliases."""


@router.get("", response_model=AliasList)
def list_aliases(database: DatabaseOf, limit: Limit = 20, after: After = None) -> Response:
    """Aliases, by name."""
    with database.read() as s:
        page = aliases.page(s, limit, after)
    items = [_view(alias) for alias in page.data]
    return answer(AliasList(data=items, has_more=page.has_more, next=page.next))


@router.get("/{alias}", response_model=AliasView, responses={**problems(404), **NOT_MODIFIED})
def get_alias(request: Request, database: DatabaseOf, alias: AliasName) -> Response:
    """Where an alias points."""
    with database.read() as s:
        found = aliases.get(s, alias)
    return resource(request, _view(found))


@router.put(
    "/{alias}",
    response_model=AliasView,
    responses={201: {"model": AliasView, "description": "The alias is new"}, **problems(404, 409)},
    openapi_extra=describe(AliasBody, the_latest={"model": "relu-30"}),
)
def put_alias(
    database: DatabaseOf,
    alias: AliasName,
    body: Annotated[AliasBody, Depends(json_body(AliasBody))],
) -> Response:
    """Point an alias at a model; requests in flight finish with the one they began with."""
    with database.write() as s:
        is_new = not _exists(s, alias)
        found = aliases.put(s, alias, body.model)
    headers = {"Location": f"/v1/aliases/{alias}"}
    return answer(_view(found), status=201 if is_new else 200, headers=headers)


@router.delete("/{alias}", status_code=204, responses=problems(404))
def delete_alias(database: DatabaseOf, alias: AliasName) -> Response:
    """Remove an alias; the model stays."""
    with database.write() as s:
        aliases.delete(s, alias)
    return Response(status_code=204)


def _exists(s: ReadSession, alias: str) -> bool:
    try:
        aliases.get(s, alias)
    except NotFound:
        return False
    return True


def _view(alias: Alias) -> AliasView:
    return AliasView(
        alias=alias.alias,
        model=alias.model_id,
        name=alias.name,
        version=alias.version,
        updated_at=alias.updated_at,
    )
