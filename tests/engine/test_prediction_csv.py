"""CSV bodies of predictions: read as the training data were, or refused by line or cell."""

from __future__ import annotations

import csv
import time
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.datasets import Column
from service.domain.errors import InvalidData
from service.engine.prediction_columns import InputColumns
from service.engine.prediction_csv import from_csv


def number(name: str) -> Column:
    return Column(name=name, type="numeric", n_missing=0, n_unique=9)


def inputs(*columns: Column, na: tuple[str, ...] = ("", "NA")) -> InputColumns:
    return InputColumns(columns=columns, na=na)


NUMBERS = inputs(number("x1"), number("x_2"))
SPECIES = Column(name="species", type="factor", n_missing=0, n_unique=2, levels=("Adelie", "1"))
HOME = Column(name="home", type="logical", n_missing=0, n_unique=2, levels=("FALSE", "TRUE"))


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(2**60), 2**60),
            st.text(),
        ),
        max_size=4,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_numbers_are_read_to_the_bit_beside_any_text(
    rows: list[tuple[float, int, str]], newline: str
) -> None:
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=newline)
    writer.writerow(["x_2", "note", "x1"])
    clean = [(a, b, "".join(c for c in note if c.isprintable())) for a, b, note in rows]
    writer.writerows((b, note, repr(a)) for a, b, note in clean)
    read = from_csv(buffer.getvalue().encode("utf-8", "replace"), NUMBERS)
    wanted = np.array([(a, float(b)) for a, b, _ in clean]).reshape(-1, 2)
    assert np.array_equal(read.numbers, wanted)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.5", 1.5),
        (" 1.5\t", 1.5),
        ('"1.5"', 1.5),
        ("+3", 3),
        (".5", 0.5),
        ("5.", 5),
        ("-1e-3", -0.001),
        ("1E5", 1e5),
        ("", np.nan),
        (" NA ", np.nan),
        ('""', np.nan),
    ],
)
def test_cells_are_trimmed_compared_with_the_missing_words_and_typed(
    cell: str, value: float
) -> None:
    read = from_csv(f"x1,x_2\n1,2\n{cell},7\n".encode(), NUMBERS)
    assert np.array_equal(read.numbers, np.array([[1, 2], [value, 7]]), equal_nan=True)


@pytest.mark.parametrize(
    "cell",
    ["nan", "NaN", "inf", "-Infinity", "1e999", "1_0", "0x10", "\u0661", "1,5", "TRUE", "one"],
)
def test_what_is_no_finite_number_is_refused_by_row_and_column(cell: str) -> None:
    with pytest.raises(InvalidData, match=f"row 2 of column 'x1'. Received the text '{cell}'"):
        from_csv(f'x1,x_2\n1,2\n\n"{cell}",7\n'.encode(), NUMBERS)


def test_the_training_data_s_words_for_missing_count_and_no_others() -> None:
    other = inputs(number("x1"), na=("-99", "?"))
    assert np.isnan(from_csv(b"x1\n-99\n?\n", other).numbers).all()
    with pytest.raises(InvalidData, match="Received the text 'NA'"):
        from_csv(b"x1\nNA\n", other)


def test_levels_and_logicals_are_read_as_their_columns_are() -> None:
    text = b"home,species,x1\nTRUE,Adelie,1\nF, 1 ,2\nfalse,NA,3\n,,4\n"
    read = from_csv(text, inputs(SPECIES, HOME, number("x1")))
    assert read.codes("species").tolist() == [0, 1, -1, -1]
    assert read.codes("home").tolist() == [1, 0, 0, -1]
    assert read.numeric("x1").tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("species\nAdelie\nadelie\n", "levels of column 'species'.* in row 2.*mean 'Adelie'"),
        ("species\n1.0\n", r"row 1\. Received the text '1\.0'"),
    ],
)
def test_what_is_no_level_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        from_csv(text.encode(), inputs(SPECIES))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "header line. Received an empty first line"),
        (b"\n1\n", "header line. Received an empty first line"),
        (b"x1,x_2,x1\n1,2,3\n", "each column once. Received 'x1' twice"),
        (b"x1,x_1\n1,2\n", r"a column 'x_2'\..* nearest is 'x_1'"),
        (b"X1,x_2\n1,2\n", "a column 'x1'.*nearest is 'X1'"),
        (b"x1;x_2\n1;2\n", "separated by commas"),
        (b"x1\tx_2\n1\t2\n", "separated by commas"),
        (b"x1,x_2\n1,2\n3\n", "2 cells.* in line 3. Received 1"),
        (b"x1,x_2\n1,2,3\n", "2 cells.* in line 2. Received 3"),
        (b"x1,x_2\n1,\xff\n", "UTF-8. Received other bytes at byte 10"),
        (b"x1,x_2\n1,2\n1,\x002\n", "NUL character in line 3"),
        (b'x1,x_2\n1,"2\n', "something else in line 2"),
        (b'x1,x_2\n1,"2"3\n', "something else in line 2"),
        (b"x1,x_2\n1," + b"9" * 200_000 + b"\n", "something else in line 2: field larger"),
    ],
)
def test_what_is_no_such_file_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        from_csv(raw, NUMBERS)


def test_row_names_under_an_empty_header_and_a_byte_order_mark_do_no_harm() -> None:
    raw = b'\xef\xbb\xbf"","x1",x_2 ,""\n"1",2,3,\n'
    assert from_csv(raw, NUMBERS).numbers.tolist() == [[2, 3]]


def test_a_header_alone_is_no_rows() -> None:
    assert from_csv(b"x1,x_2\n", NUMBERS).n_rows == 0
    assert from_csv(b"x1,x_2", NUMBERS).n_rows == 0


def test_ten_thousand_wide_rows_take_seconds_at_most() -> None:
    names = [f"x{place}" for place in range(784)]
    wide = inputs(*map(number, names))
    raw = (",".join(names) + "\n" + (",".join(["128"] * 784) + "\n") * 10_000).encode()
    started = time.process_time()
    assert np.all(from_csv(raw, wide).numbers == 128)
    # 1.6 s where it was measured, of processor time; a quadratic search would take minutes.
    assert time.process_time() - started < 10
