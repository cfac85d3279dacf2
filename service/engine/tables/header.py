"""The header of an upload: its delimiter and the names of its columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.domain.datasets import TEMPORAL_TYPES, ColumnOptions, ReadOptions
from service.domain.errors import FieldError, InvalidSpec, UnreadableFile
from service.domain.names import did_you_mean
from service.engine.tables.refusals import bad_file, bad_line, shown
from service.engine.tables.text_stream import TextStream, csv_records, guess_delimiter

MAX_NAME_CHARS = 256


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first record says; the rows begin after line `last_line`, counted from 1."""

    names: tuple[str, ...]
    delimiter: str
    quote: str
    last_line: int


def read_header(stream: TextStream, options: ReadOptions, max_columns: int) -> Header:
    """Read `options.skip` lines, then empty ones, then the header record, which may be quoted.

    Names are trimmed.

    Raises:
        UnreadableFile: no header, more than `max_columns`, an empty or duplicate name.
        InvalidSpec: the delimiter is the decimal mark, a quote or a line end.
    """
    _check_delimiter(options)
    lines = _Lines(stream)
    for skipped in range(options.skip):
        if not next(lines, ""):
            raise bad_file(
                f"a header after the {options.skip} lines of options.skip",
                f"{skipped} lines" if skipped else "an empty file",
            )
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise bad_file(
            "a header line with the columns' names",
            "only empty lines" if lines.read else "an empty file",
        )
    at = lines.read
    delimiter = options.delim or guess_delimiter(first, options.decimal, options.quote)
    stream.delimiter = delimiter
    lines.again(first)
    try:
        record = next(csv_records(lines, delimiter, options.quote, strict=True))
    except csv.Error as error:
        raise bad_line(
            at, None, "a header", f"a record that csv cannot read ({error})", "Check its quotes."
        ) from error
    names = [name.strip(" \t\r\n") for name in record]
    check_names(names, max_columns, line=at)
    return Header(
        names=tuple(names), delimiter=delimiter, quote=options.quote, last_line=lines.read
    )


def check_names(names: Sequence[str], max_columns: int, *, line: int | None) -> None:
    """Refuse columns that are too many, or a name that is empty, too long or not unique.

    `line` is the header's line in a text file, None where there are no lines.
    """
    if len(names) > max_columns:
        raise _refused(line, None, f"at most {max_columns} columns", f"{len(names)}")
    seen: dict[str, int] = {}
    for column, name in enumerate(names, start=1):
        if not name:
            advice = "Name every column; a delimiter at the line's end makes one more."
            raise _refused(line, column, "a column's name", "an empty one", advice)
        if len(name) > MAX_NAME_CHARS or "\0" in name:
            expected = f"a name of at most {MAX_NAME_CHARS} characters without NUL"
            raise _refused(line, column, expected, shown(name))
        if name in seen:
            received = f"{shown(name)}, which is also column {seen[name]}"
            raise _refused(line, column, "a name that no other column has", received)
        seen[name] = column


def check_options(columns: Mapping[str, ColumnOptions], names: Sequence[str]) -> None:
    """Refuse options of a column that is not there, and levels that contradict their type.

    Raises:
        InvalidSpec: naming the nearest column, or what to change.
    """
    for name, option in columns.items():
        if name not in names:
            _refuse_option(name, "a column of the file", shown(name), did_you_mean(name, names))
        if option.format is not None and option.type not in TEMPORAL_TYPES:
            _refuse_option(name, "no format", f"a format with type '{option.type}'", "")
        if option.levels is None:
            if option.type == "ordered":
                _refuse_option(name, "levels, because its type is ordered", "none", "")
        elif option.type not in ("factor", "ordered"):
            _refuse_option(name, "no levels", f"levels with type '{option.type}'", "")
        elif len(set(option.levels)) < len(option.levels):
            twice = next(level for level in option.levels if option.levels.count(level) > 1)
            _refuse_option(name, "each level once", f"{shown(twice)} twice", "")


def _refuse_option(name: str, expected: str, received: str, advice: str) -> None:
    detail = f"options.columns.{name[:64]}: expected {expected}. Received {received}.{advice}"
    loc = ("options", "columns", name[:256])
    raise InvalidSpec(
        detail, errors=[FieldError(loc=loc, msg=detail, expected=expected, received=received)]
    )


def _check_delimiter(options: ReadOptions) -> None:
    if options.delim is None:
        return
    if (
        options.delim in f'"\r\n{options.quote}'
        or options.delim == options.decimal
        or not options.delim.isascii()
    ):
        detail = (
            "options.delim: expected one ASCII character other than the decimal mark "
            f"'{options.decimal}', a quote or a line end. Received {options.delim!r}."
        )
        raise InvalidSpec(detail, errors=[FieldError(loc=("options", "delim"), msg=detail)])


def _refused(
    line: int | None, column: int | None, expected: str, received: str, advice: str = ""
) -> UnreadableFile:
    if line is None:
        where = f" as column {column}" if column else ""
        return bad_file(f"{expected}{where}", received, advice)
    return bad_line(line, column, expected, received, advice)


class _Lines(Iterator[str]):
    """The stream's lines as text, counted; one may be given back."""

    def __init__(self, stream: TextStream) -> None:
        self.read = 0
        self._stream = stream
        self._again: list[str] = []

    def __next__(self) -> str:
        if self._again:
            self.read += 1
            return self._again.pop()
        line = self._stream.readline()
        if not line:
            raise StopIteration
        self.read += 1
        return line.decode()

    def again(self, line: str) -> None:
        self.read -= 1
        self._again.append(line)
