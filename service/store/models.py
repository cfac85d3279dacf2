"""The registry: versions of named models, found by id, alias, name or name@version."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy import delete as delete_from

from service.domain.errors import Conflict, NotFound
from service.domain.evaluations import Evaluation
from service.domain.models import FittedModel, RegisteredModel, ServedModel
from service.domain.names import NAME_PATTERN, did_you_mean
from service.store import evaluations, ids
from service.store.encoding import is_storable
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of, lock_catalogue
from service.store.tables import JobRow, ModelNameRow, ModelRow

_VERSIONED = re.compile(r"(?P<name>[^@]+)@(?P<version>[1-9][0-9]{0,8})")
_KNOWN_NAMES = 1000
# An alias, or a name: what most requests for a prediction say.
_NAME = re.compile(NAME_PATTERN)
# Built once: each prediction asks it.
_ALIASED = select(ModelNameRow.alias_of).where(ModelNameRow.name == bindparam("ref"))
_SERVED = (
    select(
        ModelRow.id,
        ModelRow.name,
        ModelRow.version,
        ModelRow.artifact_sha256,
        ModelRow.artifact_path,
    )
    .where(or_(ModelRow.id == _ALIASED.scalar_subquery(), ModelRow.name == bindparam("ref")))
    .order_by(ModelRow.version.desc())
    .limit(1)
)


def get(s: ReadSession, ref: str) -> RegisteredModel:
    """Return a model by id, alias, name (its highest version) or name@version.

    Raises:
        NotFound: nothing is called so; the message has the nearest name.
    """
    row = require(s, ref)
    job = s.execute(select(JobRow.spec, JobRow.tags).where(JobRow.id == row.job_id)).one()
    scores = evaluations.of_jobs(s, [row.job_id], requested_only=False).get(row.job_id, ())
    return _model(row, row.spec or job.spec, job.tags, scores, _levels(row))


def served(s: ReadSession, ref: str) -> ServedModel:
    """Return what is needed to ask a model, found as by `get`, for a fraction of its cost.

    Raises:
        NotFound: as `get`.
    """
    named = s.execute(_SERVED, {"ref": ref}).one_or_none() if _NAME.fullmatch(ref) else None
    row = named if named is not None else require(s, ref)
    return ServedModel(
        id=row.id,
        name=row.name,
        version=row.version,
        artifact_sha256=row.artifact_sha256,
        artifact_path=row.artifact_path,
    )


def page(
    s: ReadSession, limit: int = 20, after: str | None = None, name: str | None = None
) -> Page[RegisteredModel]:
    """Return models, newest first, with an empty `spec` and without `levels`."""
    query = select(ModelRow, JobRow.tags).join(JobRow, JobRow.id == ModelRow.job_id)
    cursor = ids.require_cursor(after, "mdl")
    if cursor is not None:
        query = query.where(ModelRow.id < cursor)
    if name is not None:
        query = query.where(ModelRow.name == name)
    rows = s.execute(query.order_by(ModelRow.id.desc()).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: str(row.ModelRow.id))
    scores = evaluations.of_jobs(s, [row.ModelRow.job_id for row in kept], requested_only=False)
    data = [
        _model(row.ModelRow, {}, row.tags, scores.get(row.ModelRow.job_id, ()), None)
        for row in kept
    ]
    return Page(data=data, has_more=following is not None, next=following)


def delete(s: WriteSession, ref: str) -> None:
    """Remove a model; its job stays, and its number is given to no later version of the name.

    Raises:
        Conflict: an alias points at it.
        NotFound: there is no such model.
    """
    lock_catalogue(s)
    row = require(s, ref)
    alias = s.scalar(select(ModelNameRow.name).where(ModelNameRow.alias_of == row.id).limit(1))
    if alias is not None:
        raise Conflict(
            f"Expected no alias on model '{row.name}@{row.version}'. '{alias}' points at it. "
            "Move or delete the alias first."
        )
    evaluations.drop_later_ones(s, row.job_id)
    s.execute(delete_from(ModelRow).where(ModelRow.id == row.id))


def add_evaluation(s: WriteSession, ref: str, evaluation: Evaluation) -> Evaluation:
    """Keep an evaluation with a model; one without an id gets one."""
    lock_catalogue(s)
    return evaluations.add(s, require(s, ref).job_id, evaluation, requested=False)


def publish(s: WriteSession, job_id: str, name: str, model: FittedModel) -> RegisteredModel:
    """Give a job's fitted model an id and the next version of its name.

    Raises:
        Conflict: the name is an alias.
    """
    at = clock_of(s).utc()
    row = {
        **model.model_dump(),
        "id": ids.new_id("mdl", at, s.scalar(select(func.max(ModelRow.id)))),
        "job_id": job_id,
        "name": name,
        "version": _next_version(s, name),
        "created_at": at,
    }
    s.execute(insert(ModelRow), [row])
    return get(s, str(row["id"]))


def require(s: ReadSession, ref: str) -> ModelRow:
    """Return the row that `ref` means, or raise NotFound with the nearest name."""
    row = _find(s, ref) if is_storable(ref) else None
    if row is None:
        known = s.scalars(select(ModelNameRow.name).limit(_KNOWN_NAMES))
        raise NotFound(
            "Expected a model's id, alias, name or name@version. Nothing is called "
            f"{ref[:64]!a}.{did_you_mean(ref, known)}"
        )
    return row


def _find(s: ReadSession, ref: str) -> ModelRow | None:
    if ids.is_id(ref) and ref.startswith("mdl_"):
        return s.scalars(select(ModelRow).where(ModelRow.id == ref)).one_or_none()
    versioned = _VERSIONED.fullmatch(ref)
    if versioned is not None:
        query = select(ModelRow).where(
            ModelRow.name == versioned["name"], ModelRow.version == int(versioned["version"])
        )
        return s.scalars(query).one_or_none()
    aliased = select(ModelNameRow.alias_of).where(ModelNameRow.name == ref)
    query = (
        select(ModelRow)
        .where((ModelRow.id == aliased.scalar_subquery()) | (ModelRow.name == ref))
        .order_by(ModelRow.version.desc())
        .limit(1)
    )
    return s.scalars(query).one_or_none()


def _next_version(s: WriteSession, name: str) -> int:
    version: int | None = s.scalar(
        update(ModelNameRow)
        .where(ModelNameRow.name == name, ModelNameRow.alias_of.is_(None))
        .values(last_version=ModelNameRow.last_version + 1)
        .returning(ModelNameRow.last_version)
    )
    if version is not None:
        return version
    if s.scalar(select(ModelNameRow.name).where(ModelNameRow.name == name)) is not None:
        raise Conflict(f"Expected a name for a model. '{name}' is an alias. Choose another name.")
    s.execute(insert(ModelNameRow), [{"name": name, "last_version": 1}])
    return 1


def _levels(row: ModelRow) -> tuple[str, ...] | None:
    return None if row.levels is None else tuple(row.levels)


def _model(
    row: ModelRow,
    spec: dict[str, object],
    tags: dict[str, str],
    scores: Sequence[Evaluation],
    levels: tuple[str, ...] | None,
) -> RegisteredModel:
    return RegisteredModel(
        id=row.id,
        name=row.name,
        version=row.version,
        job_id=row.job_id,
        mode=row.mode,
        outcome=tuple(row.outcome),
        levels=levels,
        predictors=tuple(row.predictors),
        n_parameters=row.n_parameters,
        weights_sha256=row.weights_sha256,
        artifact_sha256=row.artifact_sha256,
        artifact_path=row.artifact_path,
        dataset_sha256=row.dataset_sha256,
        stopped_epoch=row.stopped_epoch,
        spec=spec,
        evaluations=tuple(scores),
        created_at=row.created_at,
        tags=tags,
    )
