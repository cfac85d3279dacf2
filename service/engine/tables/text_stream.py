"""A CSV upload as checked UTF-8 bytes: decompressed, decoded, measured, one piece at a time."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from service.domain.errors import FitpointError
from service.engine.tables.gunzip import GZIP_MAGIC, PIECE_BYTES, Gunzip
from service.engine.tables.refusals import bad_line, too_large

MAX_LINE_BYTES = 2**20


class TextStream:
    """The lines of a text file, then its rest: `readline()` first, `read()` from then on.

    What it hands out is valid UTF-8 without NUL, whatever the file's encoding, a byte order mark
    left out, with line feeds where an old Macintosh wrote carriage returns. No line is over
    `MAX_LINE_BYTES`.
    """

    def __init__(self, path: Path, encoding: str, max_bytes: int, quote: str = '"') -> None:
        self.quotes = 0
        self.quote = quote
        self.failure: FitpointError | None = None
        self.closed = False
        self.delimiter: str | None = None
        self._watch: Callable[[bytes], None] | None = None
        self._gunzip: Gunzip | None = None
        with path.open("rb") as file:
            if file.read(2) == GZIP_MAGIC:
                self._gunzip = Gunzip(path, max_bytes)
        source = _plain(path, max_bytes) if self._gunzip is None else iter(self._gunzip)
        self._pieces = self._checked(source, encoding)
        self._buffer = b""
        self._at = 0
        self._lines = 0
        self._tail = b""

    @property
    def is_gzip(self) -> bool:
        """Whether the file is compressed."""
        return self._gunzip is not None

    def readline(self) -> bytes:
        """Return the next line with its end, b"" after the last one.

        Raises:
            UnreadableFile: bytes of another encoding, NUL, or a line over `MAX_LINE_BYTES`.
            TooLarge: more bytes than the limit, or a gzip bomb.
        """
        found: list[bytes] = []
        while True:
            end = self._buffer.find(b"\n", self._at) + 1
            found.append(self._buffer[self._at : end or None])
            self._at = end
            if end:
                break
            self._buffer = next(self._pieces, b"")
            if not self._buffer:
                break
        return b"".join(found)

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, one fewer before a line feed, or what is left.

        Raises as `readline()` does.
        """
        found = [self._buffer[self._at :]]
        have = len(found[0])
        while size < 0 or have <= size:
            piece = next(self._pieces, b"")
            if not piece:
                if self._watch is not None:
                    self._watch(b"")
                break
            found.append(piece)
            have += len(piece)
        data = b"".join(found)
        cut = have if size < 0 else size
        if 1 < cut < have and data[cut - 1 : cut + 1] == b"\r\n":
            # Arrow drops a line feed that opens a block after a carriage return, in quotes, too.
            cut -= 1
        self._buffer, self._at = data, cut
        return data[:cut]

    def show(self, watch: Callable[[bytes], None]) -> None:
        """Call `watch` with every piece yet to be handed out, before it is; an empty one ends."""
        watch(self._buffer[self._at :])
        self._watch = watch

    def close(self) -> None:
        """Let go of the file."""
        self.closed = True

    def readable(self) -> bool:
        """Return True: what Arrow asks of a stream."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False."""
        return False

    def _checked(self, source: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        try:
            for piece in self._decoded(source, encoding):
                self._measure(piece)
                if piece:
                    yield piece
        except FitpointError as error:
            self.failure = error if self._gunzip is None else self._gunzip.verdict(error)
            raise self.failure from error

    def _decoded(self, source: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)()
        carry, first, returns = b"", True, False
        for piece in source:
            if first:
                piece = piece.removeprefix(codecs.BOM_UTF8) if encoding == "utf-8" else piece
                self._refuse_utf16(piece, encoding)
            if encoding == "utf-8" and not carry and piece.isascii():
                text = piece
            elif encoding == "utf-8":
                text, carry = self._utf8(carry + piece)
            else:
                text = self._transcoded(decoder, piece, final=False)
            if first and text:
                first, returns = False, b"\r" in text and b"\n" not in text
            yield text.replace(b"\r", b"\n") if returns else text
        if carry:
            raise self._bad_byte(carry, 0)
        if encoding != "utf-8":
            yield self._transcoded(decoder, b"", final=True)

    def _utf8(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            _, whole = codecs.utf_8_decode(data, "strict", False)
        except UnicodeDecodeError as error:
            raise self._bad_byte(data, error.start) from error
        return data[:whole], data[whole:]

    def _transcoded(self, decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool) -> bytes:
        try:
            return decoder.decode(data, final).encode()
        except UnicodeError as error:
            raise bad_line(
                self._lines + 1, None, "text in the declared encoding", str(error)
            ) from error

    def _refuse_utf16(self, piece: bytes, encoding: str) -> None:
        if encoding == "utf-8" and piece[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            advice = "Set options.encoding to 'utf-16'."
            raise bad_line(1, 1, "UTF-8", "the byte order mark of UTF-16", advice)

    def _bad_byte(self, data: bytes, at: int) -> FitpointError:
        line, column = self._place(data, at)
        return bad_line(
            line,
            column,
            "UTF-8",
            f"the byte 0x{data[at]:02x}",
            "Save the file as UTF-8, or set options.encoding to 'latin-1' or 'utf-16'.",
        )

    def _measure(self, piece: bytes) -> None:
        if b"\0" in piece:
            line, column = self._place(piece, piece.find(b"\0"))
            raise bad_line(line, column, "text", "a NUL byte", "Send CSV, Parquet or Arrow IPC.")
        if self._watch is not None:
            self._watch(piece)
        self.quotes += piece.count(self.quote.encode()) if self.quote else 0
        end = piece.find(b"\n")
        # A piece is no longer than a line may be: only the line that runs into it can be too long.
        if len(self._tail) + (end if end >= 0 else len(piece)) > MAX_LINE_BYTES:
            raise bad_line(
                self._lines + 1,
                None,
                f"at most {MAX_LINE_BYTES} bytes in a line",
                "more",
                "Check that the file is CSV and that its lines end.",
            )
        self._lines += piece.count(b"\n")
        last = piece.rfind(b"\n")
        self._tail = piece[last + 1 :] if last >= 0 else self._tail + piece

    def _place(self, piece: bytes, at: int) -> tuple[int, int]:
        """Return the 1-based line and field of a byte of the piece that comes next."""
        before = self._tail + piece[:at]
        line = self._lines + before.count(b"\n") + 1
        prefix = before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace").replace("\0", "?")
        delimiter = self.delimiter or guess_delimiter(prefix, quote=self.quote)
        return line, len(next(csv_records([prefix], delimiter, self.quote), [""]))


def csv_records(
    lines: Iterable[str], delimiter: str, quote: str, *, strict: bool = False
) -> Iterator[list[str]]:
    """Return the records of lines; without a `quote` every line is one."""
    if quote:
        return csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=strict)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=strict)


def guess_delimiter(header: str, decimal: str = ".", quote: str = '"') -> str:
    """Return the delimiter of a header line: the most frequent of `,` `;` tab `|`, else the first.

    What stands in quotes does not count, and a decimal comma is no delimiter.
    """
    bare = "".join(header.split(quote)[::2]) if quote else header
    return max((mark for mark in ",;\t|" if mark != decimal), key=bare.count)


def _plain(path: Path, max_bytes: int) -> Iterator[bytes]:
    size = path.stat().st_size
    if size > max_bytes:
        raise too_large(f"at most {max_bytes} bytes of text", f"{size} bytes")
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
