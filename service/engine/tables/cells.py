"""Text cells and what they say: missing, a number, TRUE or FALSE, one of some levels.

Every function takes a pyarrow string array without surrounding blanks (`clean` makes it one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.engine.tables.buffers import bytes_of, offsets_of
from service.engine.tables.storage import MAX_EXACT

TRUE_WORDS = ("TRUE", "T", "true")
FALSE_WORDS = ("FALSE", "F", "false")

_NAN = r"^[+-]?(?i:nan)$"


def has_blanks(cells: Any) -> bool:
    """Whether a blank or tab occurs in any cell, at its end or inside."""
    data = bytes_of(cells).tobytes()
    return b" " in data or b"\t" in data


def clean(cells: Any, na: Sequence[str]) -> Any:
    """Return the cells trimmed of blanks and tabs, null where the result is a word of `na`."""
    trimmed = pc.ascii_trim(cells, " \t") if has_blanks(cells) else cells
    missing = pc.is_in(trimmed, value_set=pa.array(na, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def has_longer(cells: Any, limit: int) -> bool:
    """Whether a cell has more than `limit` bytes."""
    offsets = offsets_of(cells)
    return bool(offsets[-1] - offsets[0] > limit and np.diff(offsets).max() > limit)


def has_nul(cells: Any) -> bool:
    """Whether a cell holds a NUL character."""
    return b"\0" in bytes_of(cells).tobytes()


def has_leading_zero(cells: Any, decimal: str) -> bool:
    """Whether a cell is longer than one character and begins with a 0 that no decimal mark follows.

    readr takes such a cell ("007", a postcode) for text, not for a number.
    """
    offsets, data = offsets_of(cells), bytes_of(cells)
    starts = offsets[:-1][np.diff(offsets) > 1] - offsets[0]
    zero = starts[data[starts] == ord("0")]
    return bool((data[zero + 1] != ord(decimal)).any())


def numbers(cells: Any, decimal: str) -> Any | None:
    """Return the cells as doubles, null where missing or NaN, or None when one is no number.

    A number is what C's strtod takes in decimal notation, with `decimal` as its mark; infinities
    are numbers here, and so is what is too large for a double.
    """
    if decimal == ",":
        if b"." in bytes_of(cells).tobytes():
            return None
        cells = pc.replace_substring(cells, ",", ".")
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    missing = pc.is_nan(values)
    if pc.any(missing).as_py():
        # Arrow reads "nan(1)" as NaN, too.
        if not pc.all(pc.match_substring_regex(cells.filter(missing), _NAN)).as_py():
            return None
        values = pc.if_else(missing, pa.scalar(None, pa.float64()), values)
    return values


def integers(cells: Any) -> Any | None:
    """Return the cells as int64 when all are written as whole numbers in its range, else None."""
    if has_leading_zero(cells, "."):
        return None  # Arrow would read "0x1F" as 31
    try:
        return pc.cast(cells, pa.int64())
    except pa.ArrowInvalid:
        return None


def integers_in_any_form(cells: Any, decimal: str) -> Any | None:
    """Return the cells as int64, or None when one is not whole or out of range.

    Digits are read exactly ("007" is 7); "2.0" and "1e3" are whole numbers, too, up to 2^53.
    """
    if (whole := integers(cells)) is not None:
        return whole
    none = pa.scalar(None, pa.string())
    bare = pc.replace_substring_regex(cells, r"^\+", "")
    digits = pc.match_substring_regex(bare, r"^-?[0-9]+$")
    others = numbers(pc.if_else(digits, none, cells), decimal)
    if others is None or not pc.all(_is_whole(others), min_count=0).as_py():
        return None
    try:
        whole = pc.cast(pc.if_else(digits, bare, none), pa.int64())
    except pa.ArrowInvalid:
        return None
    return pc.coalesce(whole, pc.cast(others, pa.int64()))


def _is_whole(values: Any) -> Any:
    exact = pc.less_equal(pc.abs(values), float(MAX_EXACT))
    return pc.and_(pc.equal(pc.floor(values), values), exact)


def logicals(cells: Any, *, digits: bool = False) -> Any | None:
    """Return the cells as booleans, or None when one is no logical.

    `digits` accepts 1 and 0, which a declared logical may be written as.
    """
    true = (*TRUE_WORDS, "1") if digits else TRUE_WORDS
    false = (*FALSE_WORDS, "0") if digits else FALSE_WORDS
    found = pc.index_in(cells, value_set=pa.array((*true, *false), pa.string()))
    return pc.less(found, len(true)) if found.null_count == cells.null_count else None


def codes(cells: Any, levels: Sequence[str]) -> Any:
    """Return each cell's 0-based level as int32, null where missing or none of the levels."""
    return pc.index_in(cells, value_set=pa.array(levels, pa.string()))


def first_failure(cells: Any, reads: Callable[[Any], object | None]) -> int:
    """Return the first position whose cell makes `reads` return None; there must be one."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        if reads(cells.slice(low, middle - low)) is None:
            high = middle
        else:
            low = middle
    return low


def sorted_levels(distinct: Sequence[str]) -> tuple[str, ...]:
    """Return the levels of a factor that declares none: by value when all are numbers, else text.

    Numbers that are written differently ("1", "1.0") stay two levels, by code point.
    """
    cells = pa.array(distinct, pa.string())
    values = numbers(cells, ".") if distinct else None
    if values is None or values.null_count:
        return tuple(sorted(distinct))
    return tuple(level for _, level in sorted(zip(values.to_pylist(), distinct, strict=True)))
