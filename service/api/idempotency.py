"""`Idempotency-Key`: a request that is sent again is answered again, and makes nothing twice.

The answer is kept in the transaction of what it tells of, so that after a crash at any moment
either both are there or neither. Refusals are not kept: they made nothing, and come again by
themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from service.api.answers import JSON
from service.api.bodies import RawJson
from service.api.json_text import read_json, whole_as_integers
from service.api.validation import placed
from service.domain.errors import Conflict
from service.store import idempotency
from service.store.database import Database
from service.store.idempotency import Answered, Asked, TwinCommitted
from service.store.sessions import WriteSession

REPLAYED = "Idempotent-Replayed"

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Chosen by the client for one request, and sent again with it: the same key "
        "and request give the first answer again for 24 hours, with `Idempotent-Replayed: true`; "
        "another request with the key is refused.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Once:
    """Makes what a request asks for; once, if it carries a key."""

    asked: Asked | None

    def earlier(
        self, database: Database, refuse: Callable[[], None] | None = None
    ) -> Response | None:
        """Return the first answer, if this request was answered before.

        To be asked before what may fail for another reason now, or costs much. `refuse` raises a
        Conflict where the request could not be met for the first time: which it cannot, too, when
        its twin is answered between the two looks.

        Raises:
            KeyReused: its key was sent with another request.
        """
        found = self._look(database)
        if found is not None or refuse is None:
            return found
        try:
            refuse()
        except Conflict:
            found = self._look(database)
            if found is None:
                raise
        return found

    def _look(self, database: Database) -> Response | None:
        if self.asked is None:
            return None
        with database.read() as s:
            found = idempotency.answered(s, self.asked)
        return None if found is None else _again(found)

    def make(self, database: Database, create: Callable[[WriteSession], Response]) -> Response:
        """Return the answer of `create`, or the first one; `create` runs in one transaction.

        Raises:
            KeyReused: the key was sent with another request.
        """
        while True:
            try:
                with placed("body"), database.write() as s:
                    return self._made(s, create)
            except TwinCommitted:
                # Its row can be seen now.
                continue

    def _made(self, s: WriteSession, create: Callable[[WriteSession], Response]) -> Response:
        if self.asked is None:
            return create(s)
        found = idempotency.reserve(s, self.asked)
        if found is not None:
            return _again(found)
        made = create(s)
        idempotency.keep(
            s,
            self.asked,
            Answered(
                status=made.status_code,
                location=made.headers.get("location"),
                body=bytes(made.body).decode(),
            ),
        )
        return made


def once(request: Request, key: str | None, content_sha256: str) -> Once:
    """Return what makes a request's resource once; `content_sha256` is that of its body."""
    if key is None:
        return Once(asked=None)
    query = json.dumps(sorted(request.query_params.multi_items()))
    sha256 = hashlib.sha256(f"{content_sha256}\n{query}".encode()).hexdigest()
    scope = f"{request.method} {request.url.path}"
    return Once(asked=Asked(scope=scope, key=key, request_sha256=sha256))


def _of_json(request: Request, raw: RawJson, key: Key = None) -> Once:
    return once(request, key, "" if key is None else sha256_of_json(raw))


def _without_body(request: Request, key: Key = None) -> Once:
    return once(request, key, "")


def sha256_of_json(raw: bytes) -> str:
    """Return a hash that is the same for JSON texts of the same value.

    Raises:
        UnreadableBody: it is not JSON.
    """
    value = whole_as_integers(read_json(raw))
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


OnceOfJson = Annotated[Once, Depends(_of_json)]
OnceWithoutBody = Annotated[Once, Depends(_without_body)]


def _again(found: Answered) -> Response:
    headers = {REPLAYED: "true"}
    if found.location is not None:
        headers["Location"] = found.location
    return Response(found.body, found.status, headers, JSON)
