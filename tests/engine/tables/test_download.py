"""A stored table as a file: it reads back as it was, and no spreadsheet runs what is in it."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.tables.download import csv_pieces, gzip_pieces, parquet_pieces
from service.engine.tables.storage import canonical_path

TEXT = (
    "n,x,i,y,o,b,d,t,s\n"
    '1,0.1,7,b,lo,TRUE,2020-02-29,2020-02-29T12:30:00Z,"a ""quoted"", cell"\n'
    "NA,-1e-300,NA,NA,NA,NA,NA,NA,NA\n"
    "3,123456789.125,-9,a,hi,FALSE,1969-12-31,1969-12-31T00:00:00.25Z,ünï\n"
)
DECLARED: dict[str, Any] = {
    "i": {"type": "integer"},
    "y": {"type": "factor", "levels": ["unseen", "b", "a"]},
    "o": {"type": "ordered", "levels": ["lo", "mid", "hi"]},
    "d": {"type": "date"},
    "t": {"type": "datetime"},
}


def _path(reading: Any, ingested: Any) -> Path:
    found: Path = canonical_path(reading.datasets, ingested.sha256)
    return found


def test_csv_reads_back_to_the_same_file(reading: Any) -> None:
    whole = reading.ingest(TEXT, columns=DECLARED)
    text = b"".join(csv_pieces(_path(reading, whole), ["", "NA"]))
    assert text.splitlines()[2] == b",-1e-300,,,,,,,"
    assert reading.ingest(text, columns=DECLARED).sha256 == whole.sha256
    packed = b"".join(gzip_pieces(csv_pieces(_path(reading, whole), ["", "NA"])))
    assert gzip.decompress(packed) == text
    assert reading.ingest(packed, columns=DECLARED).sha256 == whole.sha256


def test_parquet_and_arrow_read_back_to_the_same_file_without_any_options(reading: Any) -> None:
    whole = reading.ingest(TEXT, columns=DECLARED)
    path = _path(reading, whole)
    assert reading.ingest(b"".join(parquet_pieces(path))).sha256 == whole.sha256
    assert reading.ingest(path.read_bytes()).sha256 == whole.sha256


def test_missing_values_are_the_words_that_the_dataset_was_read_with(reading: Any) -> None:
    options = {"na": ["-9", "none"], "columns": DECLARED}
    text = TEXT.replace("NA", "-9").replace("-9,b", "7,b").replace(",-9,a", ",9,a")
    whole = reading.ingest(text, **options)
    written = b"".join(csv_pieces(_path(reading, whole), ["-9", "none"]))
    assert reading.ingest(written, **options).sha256 == whole.sha256


def test_every_batch_is_written_once_under_one_header(reading: Any) -> None:
    whole = reading.ingest("a,b\n" + "".join(f"{i},x{i}\n" for i in range(150_000)))
    pieces = list(csv_pieces(_path(reading, whole), [""]))
    assert len(pieces) == 3
    assert reading.ingest(b"".join(pieces)).sha256 == whole.sha256
    assert reading.ingest(b"".join(parquet_pieces(_path(reading, whole)))).sha256 == whole.sha256


DANGEROUS = "=+-@\t\r"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    cells=st.lists(
        st.text(
            st.sampled_from("=+-@'\"a1. ,;\n|\té"), min_size=1, max_size=6
        ).filter(lambda text: text.strip(" \t") not in ("", "NA")),
        min_size=1,
        max_size=8,
    )
)  # fmt: skip
def test_no_text_cell_begins_a_formula_unless_it_is_a_number(
    reading: Any, cells: list[str]
) -> None:
    table = [["s", "=name"], *([cell, "x"] for cell in cells)]
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(table)
    options = {"columns": {"s": {"type": "text"}}, "delim": ","}
    whole = reading.ingest(out.getvalue(), **options)
    path = _path(reading, whole)
    safe = list(csv.reader(io.StringIO(b"".join(csv_pieces(path, [""])).decode(), newline="")))
    assert safe[0] == ["s", "'=name"]
    for (cell, _), kept in zip(safe[1:], reading.open(whole).strings("s"), strict=True):
        assert cell == kept or cell == f"'{kept}"
        if cell[0] in DANGEROUS:
            float(cell)
    exact = b"".join(csv_pieces(path, [""], inert_text=False))
    assert reading.ingest(exact, **options).sha256 == whole.sha256


@pytest.mark.parametrize("value", ["-1.5", "1e-320", "5e-324", "1.7976931348623157e308", "0.1"])
def test_a_number_is_written_so_that_it_is_the_same_number(reading: Any, value: str) -> None:
    whole = reading.ingest(f"x\n{value}\n2.5\n")
    text = b"".join(csv_pieces(_path(reading, whole), [""])).decode().splitlines()
    assert float(text[1]) == float(value)


def test_downloading_imports_no_pandas(reading: Any) -> None:
    path = _path(reading, reading.ingest(TEXT, columns=DECLARED, na=["NA"]))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from service.engine.tables.download import csv_pieces, gzip_pieces, parquet_pieces\n"
        f"path = Path({str(path)!r})\n"
        "list(gzip_pieces(csv_pieces(path, ['NA'])))\n"
        "list(parquet_pieces(path))\n"
        "assert not {'pandas', 'sklearn', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wide_table_is_written_a_few_rows_at_a_time_under_one_header(reading: Any) -> None:
    names = ",".join(f"c{i}" for i in range(1000))
    row = ",".join("0.125" for _ in range(1000))
    whole = reading.ingest(names + "\n" + f"{row}\n" * 520)
    pieces = list(csv_pieces(_path(reading, whole), [""]))
    # At most 500,000 cells, whatever a record batch holds.
    assert [piece.count(b"\n") for piece in pieces] == [501, 20]
    assert reading.ingest(b"".join(pieces)).sha256 == whole.sha256
