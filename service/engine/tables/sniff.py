"""What an upload is, told by its bytes and never by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1\0\0"
# An IPC stream begins with a message: a continuation marker, then its length.
ARROW_CONTINUATION = b"\xff\xff\xff\xff"

Format = Literal["csv", "parquet", "arrow-file", "arrow-stream"]


def sniff(path: Path) -> Format:
    """Return the format of a file; what is neither Parquet nor Arrow IPC is text, maybe gzipped."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith(ARROW_MAGIC):
        return "arrow-file"
    if head.startswith(ARROW_CONTINUATION):
        return "arrow-stream"
    return "csv"
