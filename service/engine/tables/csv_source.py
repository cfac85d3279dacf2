"""A CSV upload as blocks of cleaned text cells or of numbers, one Arrow array a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from service.domain.datasets import ReadLimits, ReadOptions
from service.domain.errors import UnreadableFile
from service.engine.tables.buffers import values_of
from service.engine.tables.cells import clean, has_blanks, has_longer
from service.engine.tables.diagnose import MAX_FIELD_BYTES, diagnose
from service.engine.tables.header import Header, read_header
from service.engine.tables.number_scan import NumberScan
from service.engine.tables.refusals import bad_file
from service.engine.tables.storage import ColumnPlan, physical_type
from service.engine.tables.text_stream import TextStream

BLOCK_BYTES = 8 * 2**20


class CsvSource:
    """Text, which may be read again from its start as often as needed.

    Every cell is trimmed, and one that `options.na` names is null. Types are decided elsewhere:
    Arrow's own inference looks at the first block only and knows other rules.
    """

    def __init__(
        self, path: Path, options: ReadOptions, limits: ReadLimits, block_bytes: int = BLOCK_BYTES
    ) -> None:
        """Read the header.

        Args:
            path: the file, text or gzip.
            options: how to read it.
            limits: what it may cost.
            block_bytes: how much text is parsed at a time; at least a line's length.

        Raises:
            UnreadableFile, TooLarge, InvalidSpec: see `read_header` and `TextStream`.
        """
        self._path, self._options, self._limits = path, options, limits
        self._block_bytes = block_bytes
        self._parsed: Mapping[int, Any] = {}
        self._na = [word.strip(" \t") for word in options.na]
        stream, header = self._opened()
        self.names = header.names
        self.delimiter, self.is_gzip = header.delimiter, stream.is_gzip
        self.native: tuple[Any, ...] = (None,) * len(header.names)

    def parsing(self, plans: Sequence[ColumnPlan]) -> CsvSource:
        """Return a source whose blocks have numbers in the columns whose plans say `parsed`.

        Until some cell may not be what Arrow takes it for: from that block on all are strings.
        """
        other = copy(self)
        # Whatever looks like a number must not be missing: Arrow trims blanks only afterwards.
        if not any(_is_number(word) for word in self._na):
            other._parsed = {
                at: physical_type(plan.parsed) for at, plan in enumerate(plans) if plan.parsed
            }
        return other

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one array for each of the 0-based `columns`.

        They are string arrays; see `parsing`.

        Raises:
            UnreadableFile: naming the line and column at which the text stops being a table.
            TooLarge: more text than the limits allow.
        """
        done = 0
        if self._parsed:
            try:
                for block in self._blocks(columns, self._parsed, self._block_bytes):
                    yield block
                    done += len(block[0])
            except _NotParsed:
                pass
            else:
                return
        block_bytes = min(self._block_bytes, 2**20) if first_only else self._block_bytes
        for block in self._blocks(columns, {}, block_bytes):
            left = len(block[0]) - done
            if left > 0:
                yield [cells.slice(done) for cells in block] if done else block
                if first_only:
                    return
            done = max(-left, 0)

    def _blocks(
        self, columns: Sequence[int], parsed: Mapping[int, Any], block_bytes: int
    ) -> Iterator[list[Any]]:
        stream, header = self._opened()
        scan = NumberScan(header.delimiter, header.quote)
        if parsed:
            stream.show(scan.add)
        try:
            with self._reader(stream, header, columns, parsed, block_bytes) as reader:
                for batch in reader:
                    # The stream is at least a block ahead of what Arrow hands out.
                    if parsed and (scan.odd or not _all_finite(batch)):
                        raise _NotParsed
                    yield self._cleaned(batch)
        except pa.ArrowInvalid as error:
            if parsed and stream.failure is None:
                raise _NotParsed from error
            raise self._because(stream, str(error)) from error
        if stream.quotes % 2:
            # Arrow takes the rest of the file for the text in a quote that nobody closes.
            self._raise_if_broken()

    def _opened(self) -> tuple[TextStream, Header]:
        options = self._options
        stream = TextStream(self._path, options.encoding, self._limits.max_bytes, options.quote)
        return stream, read_header(stream, self._options, self._limits.max_columns)

    def _reader(
        self,
        stream: TextStream,
        header: Header,
        columns: Sequence[int],
        parsed: Mapping[int, Any],
        block_bytes: int,
    ) -> Any:
        # Arrow gets numbers for names: the real ones may look like anything.
        names = [str(index) for index in range(len(header.names))]
        types = [parsed.get(index, pa.string()) for index in range(len(names))]
        return pa_csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa_csv.ReadOptions(block_size=block_bytes, column_names=names),
            parse_options=pa_csv.ParseOptions(
                delimiter=header.delimiter,
                quote_char=header.quote or False,
                newlines_in_values=bool(header.quote),
                ignore_empty_lines=True,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict(zip(names, types, strict=True)),
                include_columns=[names[column] for column in columns],
                null_values=self._na,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,  # TextStream has
            ),
        )

    def _cleaned(self, batch: Any) -> list[Any]:
        columns = batch.columns
        text = [pa.types.is_string(column.type) for column in columns]
        if any(has_longer(column, MAX_FIELD_BYTES) for column in compress(columns, text)):
            self._raise_if_broken()
        # Arrow has made the words of `na` null where no blanks stand around them.
        return [
            clean(cells, self._na) if is_text and has_blanks(cells) else cells
            for cells, is_text in zip(columns, text, strict=True)
        ]

    def _because(self, stream: TextStream, said: str) -> Exception:
        if stream.failure is not None:
            return stream.failure
        if said == "Empty CSV file":
            return bad_file("rows after the header", "none")
        found = self._diagnosis()
        return found or bad_file("CSV", f"a file that does not parse ({said[:200]})")

    def _raise_if_broken(self) -> None:
        if found := self._diagnosis():
            raise found

    def _diagnosis(self) -> UnreadableFile | None:
        stream, header = self._opened()
        return diagnose(stream, header)


class _NotParsed(Exception):
    """Some cell is to be looked at as text."""


def _is_number(word: str) -> bool:
    """Whether a word could be read as a number before it is recognised as missing."""
    try:
        float(word)
    except ValueError:
        return word[:2] in ("0x", "0X")
    return True


def _all_finite(batch: Any) -> bool:
    """Whether no double is infinite or NaN, of which there are more spellings than are missing."""
    return all(
        np.isfinite(values_of(column)).all()
        for column in batch.columns
        if pa.types.is_floating(column.type)
    )
