"""Answers kept by the idempotency key of their request, in the transaction of what they tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from service.domain.errors import KeyReused
from service.store.sessions import ReadSession, WriteSession, clock_of
from service.store.tables import IdempotencyKeyRow

KEPT = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that carries a key; `scope` says who asks for what, such as 'POST /v1/jobs'."""

    scope: str
    key: str
    request_sha256: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What the first request of a key was answered."""

    status: int
    location: str | None
    body: str


class TwinCommitted(Exception):
    """A request of the same key was committed between our look and our reservation: look again."""


def answered(s: ReadSession, asked: Asked) -> Answered | None:
    """Return the answer of the first request of this key, None when there was none in 24 hours.

    Raises:
        KeyReused: that request was another one.
    """
    row = s.execute(
        select(
            IdempotencyKeyRow.request_sha256,
            IdempotencyKeyRow.status,
            IdempotencyKeyRow.location,
            IdempotencyKeyRow.body,
        ).where(
            IdempotencyKeyRow.scope == asked.scope,
            IdempotencyKeyRow.key == asked.key,
            IdempotencyKeyRow.created_at > clock_of(s).utc() - KEPT,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != asked.request_sha256:
        raise KeyReused(
            "Expected a new Idempotency-Key for a new request. Received one that another body or "
            f"query was sent with to {asked.scope} in the last 24 hours."
        )
    return Answered(status=row.status, location=row.location, body=row.body)


def reserve(s: WriteSession, asked: Asked) -> Answered | None:
    """Take a key for this transaction, before anything is made; or return the first answer.

    Where writers run beside each other the second of two twins waits here for the first one's
    commit. The transaction must `keep` an answer before its end.

    Raises:
        KeyReused: the key was sent with another request.
        TwinCommitted: the twin's commit came first; this transaction cannot go on.
    """
    earlier = answered(s, asked)
    if earlier is not None:
        return earlier
    at = clock_of(s).utc()
    s.execute(
        delete_from(IdempotencyKeyRow).where(
            IdempotencyKeyRow.scope == asked.scope,
            IdempotencyKeyRow.key == asked.key,
            IdempotencyKeyRow.created_at <= at - KEPT,
        )
    )
    row = {
        "scope": asked.scope,
        "key": asked.key,
        "request_sha256": asked.request_sha256,
        "created_at": at,
    }
    try:
        s.execute(insert(IdempotencyKeyRow), [row])
    except IntegrityError as error:
        raise TwinCommitted from error
    return None


def keep(s: WriteSession, asked: Asked, answer: Answered) -> None:
    """Keep what the request was answered under the key that this transaction has reserved."""
    s.execute(
        update(IdempotencyKeyRow)
        .where(IdempotencyKeyRow.scope == asked.scope, IdempotencyKeyRow.key == asked.key)
        .values(status=answer.status, location=answer.location, body=answer.body)
    )


def forget_expired(s: WriteSession) -> int:
    """Drop the answers that are older than 24 hours; return how many."""
    expired = s.execute(
        delete_from(IdempotencyKeyRow)
        .where(IdempotencyKeyRow.created_at <= clock_of(s).utc() - KEPT)
        .returning(IdempotencyKeyRow.key)
    )
    return len(expired.all())
