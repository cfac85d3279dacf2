"""A multipart form whose file goes straight to the disk, piece by piece."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from service.api.problem_kinds import UnreadableBody
from service.api.validation import invalid_fields
from service.domain.errors import FieldError, NoSpace, TooLarge, Unavailable, is_disk_full
from service.domain.names import did_you_mean

FILE = "file"
# Written to the disk in pieces of this size, each in the thread pool.
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Form:
    """What was received: the fields' text, and where the file lies until the form is left."""

    fields: dict[str, str]
    path: Path

    def sha256(self) -> str:
        """Return a hash of the fields and of the file's bytes, however the form was written."""
        with self.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        told = json.dumps([sorted(self.fields.items()), content])
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass
class _Parts:
    """The parser's callbacks: which part is being read, and what is not yet written."""

    known: tuple[str, ...]
    max_field_bytes: int
    current: str = ""
    seen: set[str] = field(default_factory=set)
    fields: dict[str, bytearray] = field(default_factory=dict)
    pending: bytearray = field(default_factory=bytearray)
    ended: bool = False
    _header: bytes = b""
    _value: bytes = b""
    _disposition: bytes = b""

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        # The file's own name is the client's business: it is neither kept nor used as a path.
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in self.known:
            raise _refused(
                name,
                f"Expected the parts {', '.join(self.known)}. Received '{name[:64]}'."
                f"{did_you_mean(name, self.known)}",
            )
        if name in self.seen:
            raise _refused(name, f"Expected the part '{name}' once. Received it twice.")
        self.seen.add(name)
        self.current = name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.current == FILE:
            self.pending += data[start:end]
            return
        text = self.fields.setdefault(self.current, bytearray())
        text += data[start:end]
        if len(text) > self.max_field_bytes:
            raise TooLarge(
                f"Expected the part '{self.current}' to have at most {self.max_field_bytes:,} "
                "bytes. Received more. A table goes into the part 'file'."
            )

    def on_part_end(self) -> None:
        if self.current != FILE:
            self.fields.setdefault(self.current, bytearray())

    def on_end(self) -> None:
        self.ended = True


@asynccontextmanager
async def received_form(
    request: Request, staging_dir: Path, *, known: tuple[str, ...], max_field_bytes: int
) -> AsyncIterator[Form]:
    """Yield the form of a request; its file is removed at the end, whatever happens.

    `known` are the names of the fields beside `file`; a part of another name is refused.
    """
    path = staging_dir / f"upload-{secrets.token_hex(12)}"
    parts = _Parts(known=(FILE, *known), max_field_bytes=max_field_bytes)
    try:
        try:
            await run_in_threadpool(staging_dir.mkdir, parents=True, exist_ok=True)
            with await run_in_threadpool(path.open, "xb") as file:
                await _receive(request, parts, file)
        except OSError as error:
            kind = NoSpace if is_disk_full(error) else Unavailable
            raise kind(
                f"The upload could not be stored: {error.strerror}. Try again later."
            ) from error
        if FILE not in parts.seen:
            raise _refused(FILE, "Expected the part 'file' with the table. It is not there.")
        yield Form(fields=_texts(parts.fields), path=path)
    finally:
        # On a disk that became read-only it stays, and is swept when it can be.
        with suppress(OSError):
            await run_in_threadpool(path.unlink, missing_ok=True)


async def _receive(request: Request, parts: _Parts, file: BinaryIO) -> None:
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary")
    if not boundary:
        raise UnreadableBody("Expected a boundary in the header Content-Type. Received none.")
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.on_part_begin,
            "on_part_data": parts.on_part_data,
            "on_part_end": parts.on_part_end,
            "on_header_field": parts.on_header_field,
            "on_header_value": parts.on_header_value,
            "on_header_end": parts.on_header_end,
            "on_headers_finished": parts.on_headers_finished,
            "on_end": parts.on_end,
        },
    )
    try:
        async for chunk in request.stream():
            parser.write(chunk)
            if len(parts.pending) >= _PIECE_BYTES:
                await _write(parts, file)
        parser.finalize()
    except FormParserError:
        raise UnreadableBody("Expected a multipart form (RFC 7578). It is malformed.") from None
    if not parts.ended:
        raise UnreadableBody("Expected a multipart form with its closing boundary. It ends early.")
    await _write(parts, file)


async def _write(parts: _Parts, file: BinaryIO) -> None:
    piece, parts.pending = parts.pending, bytearray()
    await run_in_threadpool(file.write, piece)


def _texts(fields: dict[str, bytearray]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in fields.items():
        try:
            texts[name] = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise _refused(name, f"Expected the part '{name}' in UTF-8.") from None
    return texts


def _refused(name: str, msg: str) -> Exception:
    return invalid_fields([FieldError(loc=("body", name), msg=msg)])
