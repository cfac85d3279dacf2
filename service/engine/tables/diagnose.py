"""Where a CSV file stops being a table: a slow second reading that finds line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from service.domain.errors import UnreadableFile
from service.engine.tables.header import Header
from service.engine.tables.refusals import bad_line, shown
from service.engine.tables.text_stream import TextStream, csv_records

MAX_FIELD_BYTES = 2**16
MAX_RECORD_BYTES = 2**20

_QUOTES = 'Check the quotes: a quote inside a field is written "".'


def diagnose(stream: TextStream, header: Header) -> UnreadableFile | None:
    """Return the first thing wrong with the records after the header, None when there is nothing.

    Args:
        stream: at the first line after the header, as `read_header` leaves it.
        header: what it said.

    Finds a record with too few or too many fields, a field over `MAX_FIELD_BYTES`, a record over
    `MAX_RECORD_BYTES` and a quote that is never closed.
    """
    records = _Records(stream, header.last_line)
    # The reader's own limit is one for the whole process, and cannot say which column it was.
    reader = csv_records(records, header.delimiter, header.quote)
    previous = csv.field_size_limit(MAX_RECORD_BYTES)
    try:
        while True:
            records.begin()
            try:
                fields = next(reader)
            except StopIteration:
                return None
            except (csv.Error, _RecordTooLong):
                return _endless(records, header)
            found = _wrong(fields, records, header)
            if found:
                return found
    finally:
        csv.field_size_limit(previous)


def _wrong(fields: list[str], records: _Records, header: Header) -> UnreadableFile | None:
    if not fields:
        return None
    for column, field in enumerate(fields, start=1):
        if len(field.encode()) > MAX_FIELD_BYTES:
            return bad_line(
                records.start,
                column,
                f"a field of at most {MAX_FIELD_BYTES} bytes",
                f"one of {len(field.encode())} bytes that begins {shown(field[:32])}",
                _QUOTES,
            )
    if records.ended and _open_quote(records.kept, header):
        return bad_line(
            records.start,
            len(fields),
            "a quote that is closed again",
            f"the file's end in a field that begins {shown(fields[-1][:32])}",
            _QUOTES,
        )
    if len(fields) != len(header.names):
        return bad_line(
            records.start,
            min(len(fields), len(header.names)) + 1,
            f"{len(header.names)} fields, as in the header",
            f"{len(fields)}",
            "Check the line's delimiters and quotes.",
        )
    return None


def _endless(records: _Records, header: Header) -> UnreadableFile:
    begun = next(csv_records(records.kept[:1], header.delimiter, header.quote), [""])
    return bad_line(
        records.start,
        len(begun),
        f"a record of at most {MAX_RECORD_BYTES} bytes",
        f"a longer one, whose last field on this line begins {shown(begun[-1][:32])}",
        _QUOTES,
    )


def _open_quote(lines: list[str], header: Header) -> bool:
    try:
        list(csv_records(lines, header.delimiter, header.quote, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


class _RecordTooLong(Exception):
    pass


class _Records(Iterator[str]):
    """The stream's lines, of which those of the record at hand are kept."""

    def __init__(self, stream: TextStream, lines_before: int) -> None:
        self._stream = stream
        self._read = lines_before
        self._bytes = 0
        self.kept: list[str] = []
        self.start = lines_before + 1
        self.ended = False

    def begin(self) -> None:
        self.kept = []
        self._bytes = 0
        self.start = self._read + 1

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self._read += 1
        self._bytes += len(line)
        self.kept.append(line.decode())
        if self._bytes > MAX_RECORD_BYTES:
            raise _RecordTooLong
        return self.kept[-1]
