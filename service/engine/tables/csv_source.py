"""A CSV upload as blocks of cleaned text cells, one Arrow array a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from service.domain.datasets import ReadLimits, ReadOptions
from service.domain.errors import UnreadableFile
from service.engine.tables.cells import clean, has_blanks, has_longer
from service.engine.tables.diagnose import MAX_FIELD_BYTES, diagnose
from service.engine.tables.header import Header, read_header
from service.engine.tables.refusals import bad_file
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
        self._na = [word.strip(" \t") for word in options.na]
        stream, header = self._opened()
        self.names = header.names
        self.delimiter, self.is_gzip = header.delimiter, stream.is_gzip
        self.native: tuple[Any, ...] = (None,) * len(header.names)

    def blocks(self, columns: Sequence[int], *, first_only: bool = False) -> Iterator[list[Any]]:
        """Yield the rows in order, per block one string array for each of the 0-based `columns`.

        Raises:
            UnreadableFile: naming the line and column at which the text stops being a table.
            TooLarge: more text than the limits allow.
        """
        stream, header = self._opened()
        block_bytes = min(self._block_bytes, 2**20) if first_only else self._block_bytes
        try:
            with self._reader(stream, header, columns, block_bytes) as reader:
                for batch in reader:
                    yield self._cleaned(batch)
                    if first_only:
                        return
        except pa.ArrowInvalid as error:
            raise self._because(stream, str(error)) from error
        if stream.quotes % 2:
            # Arrow takes the rest of the file for the text in a quote that nobody closes.
            self._raise_if_broken()

    def _opened(self) -> tuple[TextStream, Header]:
        options = self._options
        stream = TextStream(self._path, options.encoding, self._limits.max_bytes, options.quote)
        return stream, read_header(stream, self._options, self._limits.max_columns)

    def _reader(
        self, stream: TextStream, header: Header, columns: Sequence[int], block_bytes: int
    ) -> Any:
        # Arrow gets numbers for names: the real ones may look like anything.
        names = [str(index) for index in range(len(header.names))]
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
                column_types={name: pa.string() for name in names},
                include_columns=[names[column] for column in columns],
                null_values=self._na,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=False,  # TextStream has
            ),
        )

    def _cleaned(self, batch: Any) -> list[Any]:
        columns = batch.columns
        if any(has_longer(column, MAX_FIELD_BYTES) for column in columns):
            self._raise_if_broken()
        # Arrow has made the words of `na` null where no blanks stand around them.
        return [clean(cells, self._na) if has_blanks(cells) else cells for cells in columns]

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
