"""Aliases: names that point at a model and can be moved; they share one namespace with models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, insert, select, update
from sqlalchemy import delete as delete_from

from service.domain.errors import Conflict, NotFound
from service.domain.jobs import JobState
from service.domain.names import did_you_mean
from service.store import ids, models
from service.store.encoding import is_storable
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of, lock_catalogue
from service.store.tables import JobRow, ModelNameRow, ModelRow


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A movable name of one version of a model."""

    alias: str
    model_id: str
    name: str
    version: int
    updated_at: datetime


def put(s: WriteSession, alias: str, model: str) -> Alias:
    """Point an alias at the model that `model` means now, making the alias when it is new.

    Raises:
        NotFound: there is no such model.
        Conflict: models have that name, or will when an unfinished job of that name succeeds.
        InvalidSpec: the alias has the form of an id.
    """
    ids.refuse_lookalike(alias)
    lock_catalogue(s)
    target = models.require(s, model)
    if s.scalar(select(ModelRow.id).where(ModelRow.name == alias).limit(1)) is not None:
        raise Conflict(f"Expected a new name or an alias. Models are called '{alias}'.")
    unfinished = (JobState.QUEUED.value, JobState.RUNNING.value)
    job = s.scalar(
        select(JobRow.id).where(JobRow.name == alias, JobRow.state.in_(unfinished)).limit(1)
    )
    if job is not None:
        raise Conflict(f"Expected a new name or an alias. Job '{job}' will name its model so.")
    values = {"alias_of": target.id, "aliased_at": clock_of(s).utc()}
    moved = s.scalar(
        update(ModelNameRow)
        .where(ModelNameRow.name == alias)
        .values(values)
        .returning(ModelNameRow.name)
    )
    if moved is None:
        s.execute(insert(ModelNameRow), [{"name": alias, "last_version": 0, **values}])
    return get(s, alias)


def get(s: ReadSession, alias: str) -> Alias:
    """Return an alias, or raise NotFound with the nearest one."""
    row = None
    if is_storable(alias):
        row = s.execute(_query().where(ModelNameRow.name == alias)).one_or_none()
    if row is None:
        known = select(ModelNameRow.name).where(ModelNameRow.alias_of.is_not(None)).limit(1000)
        raise NotFound(
            f"Expected an alias. Nothing has the alias {alias[:64]!a}."
            f"{did_you_mean(alias, s.scalars(known))}"
        )
    return _alias(row.ModelNameRow, row.ModelRow)


def page(s: ReadSession, limit: int = 20, after: str | None = None) -> Page[Alias]:
    """Return aliases by name; a cursor is the last alias of the page before."""
    query = _query()
    if after is not None:
        query = query.where(ModelNameRow.name > after)
    rows = s.execute(query.order_by(ModelNameRow.name).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: str(row.ModelNameRow.name))
    data = [_alias(row.ModelNameRow, row.ModelRow) for row in kept]
    return Page(data=data, has_more=following is not None, next=following)


def delete(s: WriteSession, alias: str) -> None:
    """Remove an alias; the model stays."""
    lock_catalogue(s)
    get(s, alias)
    # A name that models had before keeps its count of versions.
    s.execute(
        update(ModelNameRow)
        .where(ModelNameRow.name == alias)
        .values(alias_of=None, aliased_at=None)
    )
    s.execute(
        delete_from(ModelNameRow).where(ModelNameRow.name == alias, ModelNameRow.last_version == 0)
    )


def _query() -> Select[ModelNameRow, ModelRow]:
    return select(ModelNameRow, ModelRow).join(ModelRow, ModelNameRow.alias_of == ModelRow.id)


def _alias(row: ModelNameRow, model: ModelRow) -> Alias:
    assert row.aliased_at is not None
    return Alias(
        alias=row.name,
        model_id=model.id,
        name=model.name,
        version=model.version,
        updated_at=row.aliased_at,
    )
