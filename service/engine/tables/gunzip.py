"""A gzip file as pieces of what it holds, cut off before it becomes a bomb."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from service.domain.errors import FitpointError
from service.engine.tables.refusals import bad_file, too_large

GZIP_MAGIC = b"\x1f\x8b"
# Decoding at most doubles a piece, and a piece is never longer than a line may be.
PIECE_BYTES = 2**19
# Deflate reaches 1,032 to 1. MNIST as CSV has 9, a table with 1 % non-zeros about 40.
MAX_RATIO = 100
# Below this much text a ratio is no danger, and a small table of one repeated row is no attack.
RATIO_FLOOR = 64 * 2**20

_ADVICE = "Compress the whole file again, or send it without compression."


class Gunzip:
    """Decompresses members one after the other, at most `PIECE_BYTES` at a time."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._taken = 0
        self._given = 0
        self._pieces = self._decompressed()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in order.

        Raises:
            UnreadableFile: not gzip, damaged, or cut off.
            TooLarge: more than `max_bytes`, or beyond `RATIO_FLOOR` more than `MAX_RATIO` times
                the compressed bytes read so far.
        """
        return self._pieces

    def verdict(self, error: FitpointError) -> FitpointError:
        """Return what to raise for content that is wrong: a bomb's is that it is a bomb.

        Reads on, into the void, as far as it takes to know.
        """
        try:
            for _ in self._pieces:
                if self._given > RATIO_FLOOR:
                    break
        except FitpointError as bomb:
            return bomb if bomb.code == "too-large" else error
        return error

    def _decompressed(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            engine = zlib.decompressobj(wbits=31)
            between, member = True, 0
            data = file.read(PIECE_BYTES)
            while data:
                if between:
                    data = data.lstrip(b"\0") if member else data
                    if not data:
                        data = file.read(PIECE_BYTES)
                        continue
                    between, member = False, member + 1
                try:
                    piece = engine.decompress(data, PIECE_BYTES)
                except zlib.error as error:
                    raise bad_file("a gzip file", f"damaged bytes ({error})", _ADVICE) from error
                rest = engine.unused_data if engine.eof else engine.unconsumed_tail
                self._taken += len(data) - len(rest)
                self._given += len(piece)
                self._check()
                if piece:
                    yield piece
                if engine.eof:
                    engine, between = zlib.decompressobj(wbits=31), True
                data = rest or file.read(PIECE_BYTES)
            if not between:
                raise bad_file("a whole gzip file", "one that ends in the middle", _ADVICE)

    def _check(self) -> None:
        if self._given > self._max_bytes:
            raise too_large(
                f"at most {self._max_bytes} bytes after decompression",
                "a gzip file that holds more",
                "Split the table, or ask the operator for a higher limit.",
            )
        if self._given > RATIO_FLOOR and self._given > MAX_RATIO * self._taken:
            raise too_large(
                f"at most {MAX_RATIO} bytes of table for each compressed byte",
                f"{self._given} bytes out of {self._taken}",
                "Send the file without compression if it is a table.",
            )
