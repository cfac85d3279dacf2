"""Registered tables: a name, a profile, and the hash under which the rows lie in the storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select

from service.domain.datasets import Column, Dataset
from service.domain.errors import Conflict, FieldError, NotFound
from service.domain.jobs import JobState
from service.domain.names import did_you_mean
from service.store import ids
from service.store.encoding import is_storable, words_for_floats
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession, clock_of, lock_catalogue
from service.store.tables import DatasetRow, JobDatasetRow, JobRow

_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)
# How many names are searched for one that was perhaps meant.
_KNOWN_NAMES = 1000


def register(
    s: WriteSession,
    *,
    name: str,
    n_rows: int,
    n_columns: int,
    sha256: str,
    bytes: int,
    columns: Sequence[Column],
) -> Dataset:
    """Register a table that already lies in the storage.

    Raises:
        Conflict: the name is taken.
        InvalidSpec: the name has the form of an id, or a text in the profile cannot be stored.
    """
    ids.refuse_lookalike(name)
    lock_catalogue(s)
    if s.scalar(select(DatasetRow.id).where(DatasetRow.name == name)) is not None:
        detail = (
            f"Expected a new dataset name. '{name}' is taken. Choose another or delete that one."
        )
        raise Conflict(detail, errors=[FieldError(loc=("name",), msg="is taken", received=name)])
    at = clock_of(s).utc()
    row: dict[str, Any] = {
        "id": ids.new_id("ds", at, s.scalar(select(func.max(DatasetRow.id)))),
        "name": name,
        "n_rows": n_rows,
        "n_columns": n_columns,
        "sha256": sha256,
        "bytes": bytes,
        "created_at": at,
        "columns": [words_for_floats(column.model_dump()) for column in columns],
    }
    s.execute(insert(DatasetRow), [row])
    return Dataset(
        id=row["id"],
        name=name,
        n_rows=n_rows,
        n_columns=n_columns,
        sha256=sha256,
        created_at=at,
        columns=tuple(columns),
    )


def get(s: ReadSession, ref: str) -> Dataset:
    """Return a dataset by id or name; NotFound names the nearest name."""
    return _dataset(_require(s, ref))


def page(s: ReadSession, limit: int = 20, after: str | None = None) -> Page[Dataset]:
    """Return datasets, newest first, without their `columns`."""
    query = select(
        DatasetRow.id,
        DatasetRow.name,
        DatasetRow.n_rows,
        DatasetRow.n_columns,
        DatasetRow.sha256,
        DatasetRow.created_at,
    )
    cursor = ids.require_cursor(after, "ds")
    if cursor is not None:
        query = query.where(DatasetRow.id < cursor)
    rows = s.execute(query.order_by(DatasetRow.id.desc()).limit(limit + 1)).all()
    kept, following = page_of(rows, limit, lambda row: str(row.id))
    data = [
        Dataset(
            id=row.id,
            name=row.name,
            n_rows=row.n_rows,
            n_columns=row.n_columns,
            sha256=row.sha256,
            created_at=row.created_at,
            columns=(),
        )
        for row in kept
    ]
    return Page(data=data, has_more=following is not None, next=following)


def delete(s: WriteSession, ref: str) -> None:
    """Remove a dataset; the file stays in the storage, where another name may have it too.

    Raises:
        Conflict: a queued or running job uses it.
        NotFound: there is no such dataset.
    """
    lock_catalogue(s)
    row = _require(s, ref)
    user = s.scalar(
        select(JobRow.id)
        .join(JobDatasetRow, JobDatasetRow.job_id == JobRow.id)
        .where(JobDatasetRow.dataset_id == row.id, JobRow.state.in_(_UNFINISHED))
        .limit(1)
    )
    if user is not None:
        raise Conflict(
            f"Expected no unfinished job to use dataset '{row.name}'. Job '{user}' does. "
            "Cancel it or wait for its end."
        )
    s.execute(delete_from(DatasetRow).where(DatasetRow.id == row.id))


def by_id(s: ReadSession, dataset_ids: Iterable[str]) -> dict[str, Dataset]:
    """Return those of the datasets that exist, by id."""
    rows = s.scalars(select(DatasetRow).where(DatasetRow.id.in_(list(dataset_ids))))
    return {row.id: _dataset(row) for row in rows}


def _require(s: ReadSession, ref: str) -> DatasetRow:
    row: DatasetRow | None = None
    if is_storable(ref):
        column = DatasetRow.id if ids.is_id(ref) else DatasetRow.name
        row = s.scalars(select(DatasetRow).where(column == ref)).one_or_none()
    if row is None:
        newest = select(DatasetRow.name).order_by(DatasetRow.id.desc()).limit(_KNOWN_NAMES)
        raise NotFound(
            "Expected the id or name of a dataset. Nothing has the id or name "
            f"{ref[:64]!a}.{did_you_mean(ref, s.scalars(newest))}"
        )
    return row


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(
        id=row.id,
        name=row.name,
        n_rows=row.n_rows,
        n_columns=row.n_columns,
        sha256=row.sha256,
        created_at=row.created_at,
        columns=tuple(Column.model_validate(column) for column in row.columns),
    )
