"""Text that is no table: refused with its line and column, and nothing of it stays."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.datasets import ReadLimits
from service.domain.errors import FitpointError, InvalidSpec, TooLarge, UnreadableFile
from service.engine.tables.gunzip import MAX_RATIO, RATIO_FLOOR, Gunzip

GOOD = "a,b,c\n" + "1,2,3\n" * 400


def _refused(reading: Any, data: bytes | str, **options: Any) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        reading.ingest(data, **options)
    assert reading.files() == []
    error: UnreadableFile = caught.value
    assert error.errors
    assert error.errors[0].msg == error.detail
    assert "Expected" in error.detail or "expected" in error.detail
    assert "Received" in error.detail
    return error


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        ("a,b,c\n1,2,3\n1,2\n", 3, 3),
        ("a,b,c\n1,2,3,4\n", 2, 4),
        (GOOD + "1\n" + GOOD[6:], 402, 2),
        (GOOD + "\n\n1,2,3,4,5\n", 404, 4),
        ('a,b,c\n1,"two\nlines",3\n1,2\n', 4, 3),
        ("a,b,c\n1,2,3\n   \n", 3, 2),
        ('a,b,c\n1, "x,y",3\n', 2, 4),
        ("a;b,c\n1,2\n", 2, 2),
    ],
)
@pytest.mark.parametrize("block", [300, 2**23])
def test_a_ragged_row_is_named_with_its_line_and_column(
    reading: Any, data: str, line: int, column: int, block: int
) -> None:
    options = {"delim": ";"} if data.startswith("a;b") else {}
    error = _refused(reading, data, block=block, **options)
    assert error.errors[0].loc == ("file", "line", line, "column", column)
    assert f"Line {line}, column {column}" in error.detail
    assert "fields, as in the header" in error.detail


@pytest.mark.parametrize(
    ("header", "column", "says"),
    [
        ("a,b,a", 3, "Received 'a', which is also column 1"),
        ("a, a ,b", 2, "which is also column 1"),
        ("a,,b", 2, "Received an empty one"),
        ("a,b,", 3, "Received an empty one"),
        ("a, ,b", 2, "Received an empty one"),
        ('a,"",b', 2, "Received an empty one"),
        ("a," + "n" * 257, 2, "at most 256 characters"),
    ],
)
def test_a_header_with_bad_names_is_refused(
    reading: Any, header: str, column: int, says: str
) -> None:
    error = _refused(reading, f"\n{header}\n1,2,3\n")
    assert error.errors[0].loc == ("file", "line", 2, "column", column)
    assert says in error.detail


@pytest.mark.parametrize("data", ["a,b\n", "a,b", "a,b\n\n\n", 'a,"b\nc"\n', "\ufeffa,b\r\n"])
def test_a_header_without_rows_is_refused(reading: Any, data: str) -> None:
    assert "rows after the header. Received none" in _refused(reading, data).detail


@pytest.mark.parametrize("data", ["", "\n", "\n  \n\n", "\ufeff"])
def test_a_file_without_a_header_is_refused(reading: Any, data: str) -> None:
    assert "a header line" in _refused(reading, data).detail


def test_skipping_beyond_the_end_is_refused(reading: Any) -> None:
    assert "the 5 lines of options.skip. Received 2" in _refused(reading, "a\n1\n", skip=5).detail


def test_a_header_with_an_unclosed_quote_is_refused(reading: Any) -> None:
    error = _refused(reading, 'a,"b\n1,2\n')
    assert error.errors[0].loc[:3] == ("file", "line", 1)


@pytest.mark.parametrize(
    ("data", "line", "column", "byte"),
    [
        (b"a,b\n1,caf\xe9\n2,x\n", 2, 2, "0xe9"),
        (b"a,b\n" + b"1,x\n" * 300_000 + b"y,\xff\n", 300_002, 2, "0xff"),
        (b"caf\xe9,b\n1,2\n", 1, 1, "0xe9"),
        (b'a;b\n1;"x;\xe9"\n', 2, 2, "0xe9"),
        (b"a,b\n1,\xc3", 2, 2, "0xc3"),
        (b"a,b\n1,\xed\xa0\x80\n", 2, 2, "0xed"),
    ],
)
def test_bytes_that_are_not_utf8_are_named_with_their_place(
    reading: Any, data: bytes, line: int, column: int, byte: str
) -> None:
    error = _refused(reading, data)
    assert error.errors[0].loc == ("file", "line", line, "column", column)
    assert f"Received the byte {byte}" in error.detail
    assert "latin-1" in error.detail


def test_utf16_without_saying_so_is_refused_with_the_cure(reading: Any) -> None:
    error = _refused(reading, "a,b\n1,2\n".encode("utf-16"))
    assert "Set options.encoding to 'utf-16'" in error.detail


def test_half_a_utf16_character_is_refused(reading: Any) -> None:
    error = _refused(reading, "a,b\n1,2\n".encode("utf-16")[:-1], encoding="utf-16")
    assert error.errors[0].loc[:3] == ("file", "line", 2)


def test_a_nul_byte_is_refused_with_its_place(reading: Any) -> None:
    error = _refused(reading, b"a,b\n1,2\n3,x\0y\n")
    assert error.errors[0].loc == ("file", "line", 3, "column", 2)
    assert "NUL" in error.detail


@pytest.mark.parametrize("block", [300, 2**23])
def test_an_unclosed_quote_is_refused_where_it_opens(reading: Any, block: int) -> None:
    error = _refused(reading, GOOD + '1,"2,3\n' + "1,2,3\n" * 60, block=block)
    assert error.errors[0].loc == ("file", "line", 402, "column", 2)
    assert "a quote that is closed again" in error.detail


def test_an_unclosed_quote_before_megabytes_is_refused_soon(reading: Any) -> None:
    error = _refused(reading, GOOD + '1,"2,3\n' + "1,2,3\n" * 4_000_000)
    assert error.errors[0].loc == ("file", "line", 402, "column", 2)
    assert "a record of at most 1048576 bytes" in error.detail


def test_quotes_inside_bare_fields_are_text(reading: Any) -> None:
    table = reading.table('a,b\n5" pipe,1\n7,2\n')
    assert table.strings("a") == ['5" pipe', "7"]


def test_a_field_over_64_kb_is_refused(reading: Any) -> None:
    fits = reading.table("a,b\n1,2\n3," + "x" * 65_536 + "\n")
    assert len(fits.strings("b")[1]) == 65_536
    for path in reading.files():
        path.unlink()
    error = _refused(reading, "a,b\n1,2\n3," + "x" * 65_537 + "\n")
    assert error.errors[0].loc == ("file", "line", 3, "column", 2)
    quoted = '"' + ("x" * 60 + "\n") * 1100 + '"'
    error = _refused(reading, f"a,b\n1,2\n3,{quoted}\n")
    assert error.errors[0].loc == ("file", "line", 3, "column", 2)


def test_a_line_over_1_mb_is_refused(reading: Any) -> None:
    cells = ",".join("1" for _ in range(600_000))
    error = _refused(reading, f"a,b\n1,2\n{cells}\n")
    assert error.errors[0].loc == ("file", "line", 3)
    assert "at most 1048576 bytes in a line" in error.detail
    error = _refused(reading, "x" * 3_000_000)
    assert error.errors[0].loc == ("file", "line", 1)


def test_more_than_4096_columns_are_refused(reading: Any) -> None:
    most = ",".join(f"x{n}" for n in range(4096))
    assert len(reading.table(f"{most}\n{most}\n").types) == 4096
    for path in reading.files():
        path.unlink()
    error = _refused(reading, f"{most},one_more\n1\n")
    assert "at most 4096 columns. Received 4097" in error.detail


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x1f\x8bnot gzip at all", "damaged bytes"),
        (b"\x1f\x8b", "ends in the middle"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-9], "ends in the middle"),
        (gzip.compress(GOOD.encode(), mtime=0)[:30], "ends in the middle"),
        (gzip.compress(GOOD.encode(), mtime=0) + b"garbage", "damaged bytes"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-8] + b"\0" * 8, "damaged bytes"),
    ],
)
def test_gzip_that_is_damaged_is_refused(reading: Any, data: bytes, says: str) -> None:
    assert says in _refused(reading, data).detail


def test_gzip_members_follow_each_other_and_padding_is_no_member(reading: Any) -> None:
    parts = [b"a,b\n1,2\n", b"3,", b"4\n"]
    data = b"".join(gzip.compress(part) for part in parts) + b"\0" * 700
    assert reading.table(data).records(1, 9) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def _bomb(piece: bytes, times: int, head: bytes = b"a,b\n") -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    return engine.compress(head) + b"".join(
        engine.compress(piece) for _ in range(times)
    ) + engine.flush()  # fmt: skip


@pytest.mark.parametrize("piece", [b"0,0\n" * 2**18, b"\0" * 2**20, b"0" * 2**20])
def test_a_gzip_bomb_is_too_large_whatever_it_holds(reading: Any, piece: bytes) -> None:
    with pytest.raises(TooLarge, match=f"at most {MAX_RATIO} bytes of table"):
        reading.ingest(_bomb(piece, 96))
    assert reading.files() == []


def test_text_over_the_byte_limit_is_too_large_packed_or_not(reading: Any) -> None:
    limits = ReadLimits(max_bytes=1000)
    for data in (GOOD.encode(), gzip.compress(GOOD.encode())):
        with pytest.raises(TooLarge, match="at most 1000 bytes"):
            reading.ingest(data, limits=limits)
    assert reading.files() == []


def test_a_table_over_the_row_limit_is_too_large(reading: Any) -> None:
    assert reading.ingest(GOOD, limits=ReadLimits(max_rows=400)).n_rows == 400
    with pytest.raises(TooLarge, match="at most 399 rows"):
        reading.ingest(GOOD, limits=ReadLimits(max_rows=399), block=300)


def test_a_small_table_of_one_repeated_row_is_no_bomb(reading: Any) -> None:
    times = 4_000_000
    assert len("0,0\n") * times < RATIO_FLOOR
    packed = gzip.compress(b"a,b\n" + b"0,0\n" * times)
    assert len(packed) * MAX_RATIO < 4 * times
    assert reading.ingest(packed).n_rows == times


def test_sparse_data_passes_the_bomb_check(tmp_path: Path) -> None:
    # One non-zero in a hundred, in more text than the ratio is asked of.
    rng = np.random.default_rng(5)
    lines = np.full((70_000, 1000), ord(","), np.uint8)
    lines[:, 0::2] = np.where(rng.random((70_000, 500)) < 0.01, ord("7"), ord("0"))
    lines[:, -1] = ord("\n")
    text = lines.tobytes()
    packed = tmp_path / "sparse.gz"
    packed.write_bytes(gzip.compress(text, 6))
    assert len(text) > RATIO_FLOOR
    assert 20 < len(text) / packed.stat().st_size < MAX_RATIO
    assert sum(len(piece) for piece in Gunzip(packed, 2**30)) == len(text)


@pytest.mark.parametrize("delim", ['"', "\n", "\r", ".", "§"])
def test_a_delimiter_that_cannot_be_one_is_an_invalid_spec(reading: Any, delim: str) -> None:
    with pytest.raises(InvalidSpec, match=r"options\.delim"):
        reading.ingest("a,b\n1,2\n", delim=delim)


def test_messages_do_not_echo_more_than_a_little_of_the_file(reading: Any) -> None:
    with pytest.raises(FitpointError) as caught:
        reading.ingest("a,b\n1," + "z" * 60_000 + "\n", columns={"b": {"type": "numeric"}})
    assert len(caught.value.detail) < 400
