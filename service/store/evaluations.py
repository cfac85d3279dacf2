"""Scores: those a job's spec asked for, and those its model was given later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import ColumnElement, delete, func, insert, select, true

from service.domain.errors import NotFound
from service.domain.evaluations import Evaluation
from service.store import ids
from service.store.encoding import is_storable, words_for_floats
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import EvaluationRow

# Of those that a job or a model is shown with.
SHOWN = 20


def of_jobs(
    s: ReadSession, job_ids: Iterable[str], *, requested_only: bool
) -> Mapping[str, tuple[Evaluation, ...]]:
    """Return the evaluations of jobs and their models, by job id, in the order of writing.

    Of each job the latest `SHOWN`; a spec asks for no more. `page` has all of them.
    """
    chosen: list[ColumnElement[bool]] = [EvaluationRow.job_id.in_(list(job_ids))]
    if requested_only:
        chosen.append(EvaluationRow.requested == true())
    from_the_end = func.row_number().over(
        partition_by=EvaluationRow.job_id, order_by=EvaluationRow.position.desc()
    )
    latest = select(EvaluationRow.id, from_the_end.label("place")).where(*chosen).subquery()
    query = (
        select(EvaluationRow.job_id, EvaluationRow.evaluation)
        .join(latest, latest.c.id == EvaluationRow.id)
        .where(latest.c.place <= SHOWN)
        .order_by(EvaluationRow.job_id, EvaluationRow.position)
    )
    found: defaultdict[str, tuple[Evaluation, ...]] = defaultdict(tuple)
    for row in s.execute(query):
        found[row.job_id] += (Evaluation.model_validate(row.evaluation),)
    return found


def add(s: WriteSession, job_id: str, evaluation: Evaluation, *, requested: bool) -> Evaluation:
    """Add an evaluation to a job's model; it gets an id when it has none."""
    at = clock_of(s).utc()
    if not evaluation.id:
        evaluation = evaluation.model_copy(update={"id": ids.new_id("ev", at)})
    position = s.scalar(
        select(func.coalesce(func.max(EvaluationRow.position), 0) + 1).where(
            EvaluationRow.job_id == job_id
        )
    )
    row = {
        "id": evaluation.id,
        "job_id": job_id,
        "position": position,
        "requested": requested,
        "created_at": at,
        "evaluation": words_for_floats(evaluation.model_dump()),
    }
    s.execute(insert(EvaluationRow), [row])
    return evaluation


def page(
    s: ReadSession, job_id: str, limit: int = 20, after: str | None = None
) -> Page[Evaluation]:
    """Return evaluations of a job and its model, newest first."""
    query = select(EvaluationRow).where(EvaluationRow.job_id == job_id)
    cursor = ids.require_cursor(after, "ev")
    if cursor is not None:
        place = select(EvaluationRow.position).where(EvaluationRow.id == cursor)
        query = query.where(EvaluationRow.position < place.scalar_subquery())
    rows = s.scalars(query.order_by(EvaluationRow.position.desc()).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: row.id)
    data = [Evaluation.model_validate(row.evaluation) for row in kept]
    return Page(data=data, has_more=following is not None, next=following)


def get(s: ReadSession, job_id: str, evaluation_id: str) -> Evaluation:
    """Return one evaluation of a job or its model.

    Raises:
        NotFound: it has none with this id.
    """
    found = None
    if is_storable(evaluation_id):
        query = select(EvaluationRow.evaluation).where(
            EvaluationRow.job_id == job_id, EvaluationRow.id == evaluation_id
        )
        found = s.scalar(query)
    if found is None:
        raise NotFound(
            "Expected the id of an evaluation of this model. It has none called "
            f"{evaluation_id[:64]!a}. `GET /v1/models/{{m}}/evaluations` lists them."
        )
    return Evaluation.model_validate(found)


def drop_later_ones(s: WriteSession, job_id: str) -> None:
    """Remove the evaluations that the job did not ask for: they were its model's."""
    s.execute(delete(EvaluationRow).where(EvaluationRow.job_id == job_id, ~EvaluationRow.requested))
