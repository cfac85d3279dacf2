"""Whether text holds cells that Arrow would read as numbers where we do not, told from its bytes.

Arrow's CSV reader can make numbers of the cells it parses, which costs less than making text and
reading that. It takes "007" for 7 and "0x1F" for 31, which are text to readr and to us, and a cell
of any length. So the bytes are looked at on their way to it.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from service.engine.tables.diagnose import MAX_FIELD_BYTES

_ZERO = ord("0")
# Blanks, line ends, quotes and commas are below the signs, the digits and the letters.
_LAST_BEFORE = ord(",")


class NumberScan:
    """Looks at text piece by piece; `odd` from the first line on that Arrow might misread.

    What it takes for odd may be none, as `a, 07,` within quotes. It never overlooks a cell.
    """

    def __init__(self, delimiter: str, quote: str) -> None:
        self.odd = False
        self._marks = [
            ord(mark) for mark in (delimiter, quote) if mark and ord(mark) > _LAST_BEFORE
        ]
        self._blanks = [ord(blank) for blank in " \t" if blank != delimiter]
        ends = re.escape(f"\r\n{delimiter}{quote}".encode())
        self._number = re.compile(rb"0[0-9a-fxA-FX.+-]+[ \t]*[" + ends + rb"]")
        self._rest = b""

    def add(self, piece: bytes) -> None:
        """Look at the next piece, or when it is empty at what is left as the last line."""
        if self.odd:
            return
        text = self._rest + (piece or b"\n")
        whole = text.rfind(b"\n") + 1
        self._rest = text[whole:]
        self.odd = len(self._rest) > MAX_FIELD_BYTES or self._is_odd(text[:whole])

    def _is_odd(self, lines: bytes) -> bool:
        if _has_long_line(lines):
            return True
        # Two line ends stand for what is before the first line.
        text = b"\n\n" + lines
        data = np.frombuffer(text, np.uint8)
        before, after = data[1:-2], data[3:]
        # Only digits and letters could go on with a number that Arrow reads.
        found = (data[2:-1] == _ZERO) & (after >= _ZERO)
        found &= self._may_end(before)
        for mark in self._marks:
            found &= after != mark
        if not found.any():
            return False
        # A blank before it begins a cell only if the cell's end is before that, or a blank.
        blank = np.isin(before, self._blanks)
        found &= ~blank | self._may_end(data[:-3])
        places = (np.flatnonzero(found) + 2).tolist()
        return any(self._number.match(text, place) is not None for place in places)

    def _may_end(self, data: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which bytes may be the last before a cell."""
        found = data <= _LAST_BEFORE
        for mark in self._marks:
            found |= data == mark
        return found


def _has_long_line(lines: bytes) -> bool:
    """Return whether a line is longer than a cell may be, so that a number in it could be."""
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + MAX_FIELD_BYTES + 1)
        if end < 0:
            return True
        start = end + 1
    return False
