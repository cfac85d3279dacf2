"""Epoch records: what the first attempt that reached an epoch recorded of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, tuple_

from service.domain.errors import Conflict, FieldError, InvalidSpec
from service.domain.history import EpochRecord
from service.store import job_rows
from service.store.encoding import words_for_floats
from service.store.pages import Page, page_of
from service.store.sessions import ReadSession, WriteSession
from service.store.tables import EpochRow

Key = tuple[int, int, int]

_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")


@dataclass(frozen=True, kw_only=True)
class Appended:
    """What became of the records given to `append`: the new ones, and which differ from theirs."""

    new: list[EpochRecord]
    differing: list[dict[str, Any]]


def page(
    s: ReadSession, job_id: str, limit: int = 1000, after: str | None = None
) -> Page[EpochRecord]:
    """Return a job's records, ascending by (trial, fold, epoch); a cursor is "trial.fold.epoch"."""
    job_rows.require(s, job_id)
    query = _select(job_id).limit(limit + 1)
    if after is not None:
        key = tuple_(EpochRow.trial, EpochRow.fold, EpochRow.epoch)
        query = query.where(key > tuple_(*_parse_cursor(after)))
    rows, cursor = page_of(s.execute(query).all(), limit, _cursor)
    return Page(data=[_record(row) for row in rows], has_more=cursor is not None, next=cursor)


def all_of(s: ReadSession, job_id: str, trial: int = 1, fold: int = 1) -> list[EpochRecord]:
    """Return the whole history of one fit of a job; empty when it has none."""
    query = _select(job_id).where(EpochRow.trial == trial, EpochRow.fold == fold)
    return [_record(row) for row in s.execute(query)]


def epochs_run(s: ReadSession, job_id: str) -> int:
    """Return how many epochs of the job are recorded, over all its trials and folds."""
    count = select(func.count()).select_from(EpochRow).where(EpochRow.job_id == job_id)
    return s.scalar(count) or 0


def append(s: WriteSession, job_id: str, attempt: int, records: Iterable[EpochRecord]) -> Appended:
    """Add the records that are new; keep the rows that are there, and tell which differ.

    An epoch trained again after a crash must give the same metrics; how long it took may differ.

    Raises:
        Conflict: an epoch is missing between what is recorded and what is given.
        InvalidSpec: a time or a rate is not finite.
    """
    appended = Appended(new=[], differing=[])
    ordered = sorted(records, key=_key)
    for (trial, fold), group in groupby(ordered, key=lambda record: _key(record)[:2]):
        _append_to_fit(s, job_id, trial, fold, list(group), appended)
    if appended.new:
        s.execute(insert(EpochRow), [_row(job_id, attempt, record) for record in appended.new])
    return appended


def _append_to_fit(
    s: WriteSession,
    job_id: str,
    trial: int,
    fold: int,
    records: Sequence[EpochRecord],
    appended: Appended,
) -> None:
    of_fit = (EpochRow.job_id == job_id, EpochRow.trial == trial, EpochRow.fold == fold)
    latest = s.scalar(select(func.max(EpochRow.epoch)).where(*of_fit)) or 0
    known: dict[int, dict[str, Any]] = {}
    if records[0].epoch <= latest:
        kept = select(EpochRow.epoch, EpochRow.metrics).where(
            *of_fit, EpochRow.epoch.between(records[0].epoch, records[-1].epoch)
        )
        known = {row.epoch: row.metrics for row in s.execute(kept)}
    for record in records:
        if record.epoch > latest + 1:
            raise Conflict(
                f"Expected epoch {latest + 1} of trial {trial}, fold {fold} next. "
                f"Received epoch {record.epoch}. Record every epoch in order."
            )
        again = words_for_floats(record.values)
        if record.epoch not in known:
            known[record.epoch] = again
            appended.new.append(record)
            latest = record.epoch
        elif known[record.epoch] != again:
            appended.differing.append(
                {
                    "trial": trial,
                    "fold": fold,
                    "epoch": record.epoch,
                    "first": known[record.epoch],
                    "again": again,
                }
            )


def _key(record: EpochRecord) -> Key:
    return record.trial, record.fold, record.epoch


def _row(job_id: str, attempt: int, record: EpochRecord) -> dict[str, Any]:
    if not (math.isfinite(record.seconds) and math.isfinite(record.samples_per_second)):
        raise InvalidSpec(
            "Expected finite `seconds` and `samples_per_second`. Received "
            f"{record.seconds} and {record.samples_per_second}."
        )
    return {
        "job_id": job_id,
        "trial": record.trial,
        "fold": record.fold,
        "epoch": record.epoch,
        "attempt": attempt,
        "seconds": record.seconds,
        "samples_per_second": record.samples_per_second,
        "metrics": words_for_floats(record.values),
    }


def _select(job_id: str) -> Select[tuple[int, int, int, float, float, dict[str, Any]]]:
    return (
        select(
            EpochRow.trial,
            EpochRow.fold,
            EpochRow.epoch,
            EpochRow.seconds,
            EpochRow.samples_per_second,
            EpochRow.metrics,
        )
        .where(EpochRow.job_id == job_id)
        .order_by(EpochRow.trial, EpochRow.fold, EpochRow.epoch)
    )


def _record(row: Row[Any]) -> EpochRecord:
    return EpochRecord(
        trial=row.trial,
        fold=row.fold,
        epoch=row.epoch,
        values={name: float(value) for name, value in row.metrics.items()},
        seconds=row.seconds,
        samples_per_second=row.samples_per_second,
    )


def _cursor(row: Row[Any]) -> str:
    return f"{row.trial}.{row.fold}.{row.epoch}"


def _parse_cursor(after: str) -> Key:
    match = _CURSOR.fullmatch(after)
    if match is None:
        raise InvalidSpec(
            "Expected `after` to be the `next` of the page before ('trial.fold.epoch'). Received "
            f"{after[:64]!a}.",
            errors=[FieldError(loc=("query", "after"), msg="is no place in a history")],
        )
    trial, fold, epoch = map(int, match.groups())
    return trial, fold, epoch
