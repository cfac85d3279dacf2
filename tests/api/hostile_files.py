"""Files that mean harm or went wrong on their way, by name, each with the answer it gets."""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GOOD = "a,b\n" + "".join(f"{i},x{i % 7}\n" for i in range(300))
UMLAUTS = "nämé,wért\nä,1\nö,2\n"


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A file and its answer: the status, words of the message, or the number of rows read."""

    name: str
    make: Callable[[], bytes]
    status: int = 422
    says: str = ""
    rows: int = 0
    options: dict[str, Any] | None = None


def _parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _small_parquet() -> bytes:
    rng = np.random.default_rng(1)
    return _parquet(pa.table({"a": rng.normal(size=500), "s": [f"w{i % 9}" for i in range(500)]}))


def _ipc(table: Any, *, stream: bool) -> bytes:
    sink = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _arrow() -> bytes:
    return _ipc(pa.table({"a": [1, 2, 3], "s": ["x", None, "z"]}), stream=False)


def _lying_strings() -> bytes:
    """An Arrow file whose offsets point beyond its text."""
    whole = _ipc(pa.table({"s": ["abc", "def"]}), stream=False)
    told, lied = (struct.pack("<3i", 0, 3, end) for end in (6, 2_000_000_000))
    assert whole.count(told) == 1
    return whole.replace(told, lied)


def _lying_codes() -> bytes:
    """An Arrow file whose factor has codes that no level has."""
    indices = pa.array([0, 99], pa.int32())
    words = pa.array(["only"])
    return _ipc(
        pa.table({"f": pa.DictionaryArray.from_arrays(indices, words, safe=False)}), stream=False
    )


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("xl/workbook.xml", "<x/>" * 100)
    return sink.getvalue()


def _noise() -> bytes:
    return random.Random(4).randbytes(200_000)


def _mixed_ends() -> bytes:
    return b"a,b\r\n1,x\n2,y\r\n\r\n3,z\n\n4,w"


HOSTILE = (
    # Compressed
    Hostile(name="gzip-cut", make=lambda: gzip.compress(GOOD.encode())[:-20], says="middle"),
    Hostile(name="gzip-head-only", make=lambda: b"\x1f\x8b\x08\x00", says="gzip"),
    Hostile(name="gzip-checksum", make=lambda: gzip.compress(b"a\n1\n")[:-8] + bytes(8)),
    Hostile(name="gzip-in-gzip", make=lambda: gzip.compress(gzip.compress(GOOD.encode()))),
    Hostile(name="gzip-of-nothing", make=lambda: gzip.compress(b""), says="empty file"),
    Hostile(
        name="gzip-bomb", make=lambda: gzip.compress(b"a,b\n" + b"0,0\n" * 2**24), status=413
    ),
    Hostile(name="gzip-bomb-of-nul", make=lambda: gzip.compress(bytes(2**26)), status=413),
    Hostile(name="zip", make=_zip),
    # Parquet and Arrow
    Hostile(name="parquet-torn", make=lambda: _small_parquet()[:-500], says="Parquet"),
    Hostile(name="parquet-head-only", make=lambda: b"PAR1", says="Parquet"),
    Hostile(name="parquet-footer-lies", make=lambda: b"PAR1" + bytes(64) + b"\xff\xff\xff\x7fPAR1"),
    Hostile(
        name="parquet-middle-gone",
        make=lambda: _small_parquet()[:40] + _small_parquet()[900:],
        says="Parquet",
    ),
    Hostile(
        name="parquet-row-bomb",
        make=lambda: _parquet(pa.table({"n": pa.nulls(60_000_000)}), row_group_size=10**9),
        status=413,
        says="rows",
    ),
    Hostile(name="parquet-nested", make=lambda: _parquet(pa.table({"l": [[1], [2]]})), says="list"),
    Hostile(
        name="parquet-wide",
        make=lambda: _parquet(pa.table({f"c{i}": [1] for i in range(5_000)})),
        says="4096 columns",
    ),
    Hostile(name="arrow-torn", make=lambda: _arrow()[:-60], says="Arrow"),
    Hostile(name="arrow-head-only", make=lambda: b"ARROW1\0\0", says="Arrow"),
    Hostile(
        name="arrow-stream-claims-gigabytes",
        make=lambda: b"\xff\xff\xff\xff" + struct.pack("<i", 2**31 - 1) + bytes(64),
        says="Arrow",
    ),
    Hostile(name="arrow-offsets-lie", make=_lying_strings, says="Arrow"),
    Hostile(name="arrow-codes-lie", make=_lying_codes, says="Arrow"),
    Hostile(
        name="arrow-duplicate-names",
        make=lambda: _ipc(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), stream=True),
        says="'a'",
    ),
    # Shape
    Hostile(name="empty", make=lambda: b"", says="empty file"),
    Hostile(name="only-lines", make=lambda: b"\n\r\n\n" * 50, says="empty lines"),
    Hostile(name="only-a-mark", make=lambda: b"\xef\xbb\xbf"),
    Hostile(name="header-only", make=lambda: b"a,b\n", says="rows"),
    Hostile(name="ragged", make=lambda: b"a,b\n1,2\n3,4,5\n", says="Line 3"),
    Hostile(name="duplicate-names", make=lambda: b"a,b,a\n1,2,3\n", says="also column 1"),
    Hostile(name="empty-name", make=lambda: b"a,,c\n1,2,3\n", says="column 2"),
    Hostile(name="blank-name", make=lambda: b'a," ",c\n1,2,3\n', says="column 2"),
    Hostile(
        name="hundred-thousand-columns",
        make=lambda: b",".join(b"c%d" % i for i in range(100_000)) + b"\n" + b"," * 99_999 + b"\n",
        says="4096 columns",
    ),
    Hostile(name="long-name", make=lambda: b"a" * 70_000 + b",b\n1,2\n", says="256"),
    Hostile(name="huge-field", make=lambda: b"a,b\n1," + b"x" * 70_000 + b"\n", says="65536"),
    Hostile(name="one-line", make=lambda: b"x" * 1_900_000, says="1048576 bytes in a line"),
    Hostile(name="no-line-ends", make=lambda: b"1,2," * 400_000, says="in a line"),
    # Quotes
    Hostile(
        name="quote-never-closed", make=lambda: b'a,b\n1,"2\n' + b"3,4\n" * 99_999, says="Line 2"
    ),
    Hostile(name="quotes-and-nothing-else", make=lambda: b'"' * 50_001),
    Hostile(
        name="quotes-in-quotes", make=lambda: b'a\n"' + b'""' * 20_000 + b'"\n', status=201, rows=1
    ),
    Hostile(
        name="lines-in-quotes", make=lambda: b'a,b\n"1\n\r\n2",3\n"4\r",5\n', status=201, rows=2
    ),
    # Bytes and encodings
    Hostile(name="nul", make=lambda: b"a,b\n1,\x002\n", says="a NUL byte"),
    Hostile(name="noise", make=_noise),
    Hostile(name="latin-1", make=lambda: UMLAUTS.encode("latin-1"), says="latin-1"),
    Hostile(
        name="latin-1-declared",
        make=lambda: UMLAUTS.encode("latin-1"),
        options={"encoding": "latin-1"},
        status=201,
        rows=2,
    ),
    Hostile(name="utf-16", make=lambda: UMLAUTS.encode("utf-16"), says="utf-16"),
    Hostile(name="utf-16-without-mark", make=lambda: GOOD.encode("utf-16-le"), says="NUL"),
    Hostile(
        name="utf-16-declared",
        make=lambda: UMLAUTS.encode("utf-16"),
        options={"encoding": "utf-16"},
        status=201,
        rows=2,
    ),
    Hostile(
        name="utf-16-declared-and-cut",
        make=lambda: UMLAUTS.encode("utf-16")[:-1],
        options={"encoding": "utf-16"},
        says="encoding",
    ),
    Hostile(
        name="utf-8-declared-utf-16",
        make=lambda: (UMLAUTS + "x").encode(),
        options={"encoding": "utf-16"},
    ),
    Hostile(name="utf-32", make=lambda: UMLAUTS.encode("utf-32"), says="utf-16"),
    Hostile(name="overlong", make=lambda: b"a,b\n1,\xc0\xaf\n", says="0xc0"),
    Hostile(name="lone-surrogate", make=lambda: b"a,b\n1,\xed\xa0\x80\n", says="0xed"),
    Hostile(
        name="mark", make=lambda: b"\xef\xbb\xbf" + UMLAUTS.encode(), status=201, rows=2
    ),
    Hostile(name="mixed-line-ends", make=_mixed_ends, status=201, rows=4),
    Hostile(name="carriage-returns", make=lambda: b"a,b\r1,x\r2,y\r", status=201, rows=2),
    Hostile(
        name="control-characters", make=lambda: b"a,b\n\x01\x1b[31m,\x7f\n\xe2\x80\xae,\x08\n",
        status=201, rows=2,
    ),
    # Other things by the wrong name
    Hostile(name="png", make=lambda: b"\x89PNG\r\n\x1a\n" + bytes(500)),
    Hostile(name="pdf", make=lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + _noise()),
    Hostile(name="elf", make=lambda: b"\x7fELF\x02\x01\x01" + bytes(500), says="NUL"),
    Hostile(name="json", make=lambda: b'[{"a": 1, "b": 2},\n {"a": 3}]'),
    # Values
    Hostile(name="infinite", make=lambda: b"a,b\n1,2\ninf,3\n", says="finite"),
    Hostile(name="beyond-doubles", make=lambda: b"a\n1e999\n", says="finite"),
    Hostile(
        name="four-hundred-digits", make=lambda: b"a\n" + b"9" * 400 + b"\n", says="finite"
    ),
    Hostile(name="long-digits", make=lambda: b"a\n0." + b"1" * 5000 + b"\n", status=201, rows=1),
    Hostile(
        name="many-levels",
        make=lambda: b"a\n" + b"".join(b"k%d\n" % i for i in range(10_001)),
        options={"columns": {"a": {"type": "factor"}}},
        says="10000 distinct",
    ),
    Hostile(
        name="no-such-day",
        make=lambda: b"d\n2021-02-30\n",
        options={"columns": {"d": {"type": "date"}}},
        says="Row 1",
    ),
    Hostile(
        name="names-that-mean-something",
        make=lambda: b'__proto__,"<script>alert(1)</script>",=1+1,../../x,"a ""b""",$HOME\n'
        b"1,2,3,4,5,6\n7,8,9,0,1,2\n",
        status=201,
        rows=2,
    ),
)  # fmt: skip


def memory_bytes() -> int:
    """Return what this process holds in memory."""
    with open("/proc/self/statm", encoding="ascii") as told:
        return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
