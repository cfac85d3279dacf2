"""Cells that Arrow takes for numbers and we do not are found, wherever the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.tables.diagnose import MAX_FIELD_BYTES
from service.engine.tables.number_scan import NumberScan


def _odd(text: str, *, delimiter: str = ",", quote: str = '"', size: int = 2**19) -> bool:
    scan = NumberScan(delimiter, quote)
    data = text.encode()
    for start in range(0, len(data), size):
        scan.add(data[start : start + size])
    scan.add(b"")
    return scan.odd


@pytest.mark.parametrize(
    "cell", ["007", " 07", "\t 0x1F", "07 ", '"07"', '" 07 "', "00", "00.5", "0e5", "0X1f", "01e-2"]
)
@pytest.mark.parametrize("line", ["1,{},2\n", "{},1\r\n", "1,{}\r\n", "1,{}"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_number_that_begins_with_a_zero_is_odd(cell: str, line: str, size: int) -> None:
    assert _odd("1,2\n" + line.format(cell), size=size)


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_the_delimiter_and_the_quote_may_be_others(mark: str) -> None:
    assert _odd(f"1{mark}07{mark}2\n", delimiter=mark)
    assert _odd(f"1{mark}~07~\n", delimiter=mark, quote="~")
    assert not _odd(f"0{mark}0{mark}0.5\n", delimiter=mark)
    assert not _odd(f"~0~{mark}~0~\n", delimiter=mark, quote="~")


@pytest.mark.parametrize(
    "text",
    [
        "0,0,0\n0.5,-0,10\n100,2020-01-02,a07\n",
        "07:30,01/02/2020,level 05\n",
        '"0","0.25","a 07 b"\n',
        "-07,x\n",
        "0",
        "",
    ],
)
def test_what_arrow_reads_as_we_do_or_not_as_a_number_is_not_odd(text: str) -> None:
    assert not _odd(text)
    assert not _odd(text, size=1)


@given(st.text(alphabet='0071.x:e ,"\n\r\t-', max_size=40), st.integers(1, 9))
def test_no_cell_is_overlooked_wherever_the_text_is_cut(text: str, size: int) -> None:
    cells = text.replace("\r", "\n").replace("\n", ",").split(",")
    bare = [cell.strip(' \t"') for cell in cells]
    taken = [cell for cell in bare if cell[:1] == "0" and cell[1:2] not in ("", ".")]
    if any(_arrow_would_read(cell) for cell in taken):
        assert _odd(text, size=size)


def _arrow_would_read(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell[1:2] == "x" and cell[2:].isalnum() and "x" not in cell[2:]
    return True


def test_a_line_that_could_hold_a_cell_over_the_limit_is_odd() -> None:
    longest = "1" * (MAX_FIELD_BYTES - 2)
    lines = f"1,{longest}\n" * 3
    assert not _odd(lines)
    assert not _odd(lines, size=1000)
    assert _odd(lines + f"11,{longest}\n")
    assert _odd(lines + f"11,{longest}", size=1000)
