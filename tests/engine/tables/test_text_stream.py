"""Bytes of an upload as checked lines and blocks, whatever pieces they come in."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from service.engine.tables.gunzip import PIECE_BYTES
from service.engine.tables.text_stream import TextStream, guess_delimiter


def _stream(tmp_path: Path, data: bytes, encoding: str = "utf-8") -> TextStream:
    path = tmp_path / "text"
    path.write_bytes(data)
    return TextStream(path, encoding, 2**30)


def _rest(stream: TextStream, size: int = 1000) -> bytes:
    found = []
    while piece := stream.read(size):
        found.append(piece)
    return b"".join(found)


def test_lines_first_then_the_rest_and_nothing_is_lost(tmp_path: Path) -> None:
    data = b"".join(b"line %d\r\n" % at for at in range(200_000))
    stream = _stream(tmp_path, data)
    lines = [stream.readline() for _ in range(90_000)]
    assert lines[-1] == b"line 89999\r\n"
    assert b"".join(lines) + _rest(stream, 4096) == data
    assert stream.readline() == b""


def test_a_block_never_ends_between_a_carriage_return_and_its_line_feed(tmp_path: Path) -> None:
    stream = _stream(tmp_path, b"ab\r\n" * 1000)
    pieces = []
    while piece := stream.read(7):
        pieces.append(piece)
    assert b"".join(pieces) == b"ab\r\n" * 1000
    assert not any(piece.endswith(b"\r") for piece in pieces)


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_character_cut_by_a_piece_s_border_is_whole_again(
    tmp_path: Path, shift: int, encoding: str
) -> None:
    word = "é" if encoding == "latin-1" else "é€𝄞"
    text = "x" * shift + "\n" + (word * 20 + "\n") * (PIECE_BYTES // 60)
    stream = _stream(tmp_path, text.encode(encoding), encoding)
    assert _rest(stream, 10_000).decode() == text


def test_one_byte_members_and_marks_that_leave_nothing_do_not_end_the_stream(
    tmp_path: Path,
) -> None:
    data = "\ufeffa,é\n1,2\n".encode()
    packed = b"".join(gzip.compress(data[at : at + 1]) for at in range(3, len(data)))
    stream = _stream(tmp_path, gzip.compress(data[:3]) + packed)
    assert _rest(stream) == "a,é\n1,2\n".encode()


def test_quotes_are_counted(tmp_path: Path) -> None:
    stream = _stream(tmp_path, b'"a"\n"b\n')
    _rest(stream)
    assert stream.quotes == 3


@pytest.mark.parametrize(
    ("header", "decimal", "delimiter"),
    [
        ("a,b", ".", ","),
        ("a;b;c,d", ".", ";"),
        ("a\tb", ".", "\t"),
        ("a|b|c", ".", "|"),
        ("only", ".", ","),
        ('"a;b;c",d', ".", ","),
        ("a,b;c", ",", ";"),
        ("only", ",", ";"),
    ],
)
def test_the_delimiter_is_guessed_from_the_header(
    header: str, decimal: str, delimiter: str
) -> None:
    assert guess_delimiter(header, decimal) == delimiter


def test_latin1_cells_and_names_are_read(columns_of: Any) -> None:
    data = "größe;café\n1,5;né\n".encode("latin-1")
    read = columns_of(data, encoding="latin-1", decimal=",")
    assert read == {"größe": ("numeric", [1.5]), "café": ("text", ["né"])}


def test_decimal_commas(columns_of: Any) -> None:
    data = "a;b;c;d\n1,5;1.5;0,5;1,2,3\n-2;2;7;4\n"
    assert columns_of(data, decimal=",") == {
        "a": ("numeric", [1.5, -2]),
        "b": ("text", ["1.5", "2"]),
        "c": ("numeric", [0.5, 7]),
        "d": ("text", ["1,2,3", "4"]),
    }


def test_one_column_with_a_decimal_comma(columns_of: Any) -> None:
    assert columns_of("a\n1,5\n2\n", decimal=",") == {"a": ("numeric", [1.5, 2])}


def test_lines_before_the_header_are_skipped(columns_of: Any) -> None:
    data = 'made by "us\n# a, b, c, d\n\n a , b\n1,2\n'
    assert columns_of(data, skip=2) == {"a": ("numeric", [1]), "b": ("numeric", [2])}


def test_a_declared_delimiter_wins_over_the_guess(columns_of: Any) -> None:
    assert columns_of("a,b c\n1,2 3\n", delim=" ") == {
        "a,b": ("text", ["1,2"]),
        "c": ("numeric", [3]),
    }


def test_a_quoted_header_may_hold_delimiters_quotes_and_line_ends(columns_of: Any) -> None:
    data = '"a,1","say ""b""","two\nlines"\n1,2,3\n'
    assert list(columns_of(data)) == ["a,1", 'say "b"', "two\nlines"]
