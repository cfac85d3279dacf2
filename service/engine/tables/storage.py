"""The canonical file: how each column of ours lies in Arrow, and under which name the file lies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from service.domain.datasets import MAX_LEVELS, ColumnType

Storage = Literal[
    "uint8", "int16", "int32", "int64", "float64", "bool", "string", "codes", "date", "datetime"
]

FIELD_KEY = b"fitpoint"
MAX_BATCH_ROWS = 65_536
MIN_BATCH_ROWS = 256
BATCH_BYTES = 64 * 2**20
# Up to here a double is one whole number and no other; beyond, a number is stored as a double.
MAX_EXACT = 2**53 - 1

WHOLE_RANGES: tuple[tuple[Storage, int, int], ...] = (
    ("uint8", 0, 2**8 - 1),
    ("int16", -(2**15), 2**15 - 1),
    ("int32", -(2**31), 2**31 - 1),
    ("int64", -(2**63), 2**63 - 1),
)
# Bytes of one value; a text's is a guess, it only has to be the same for every file.
_WIDTHS: dict[Storage, int] = {
    "uint8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float64": 8,
    "bool": 1,
    "string": 16,
    "codes": 4,
    "date": 4,
    "datetime": 8,
}
TEMPORAL_STORAGE: Mapping[str, Storage] = {"date": "date", "datetime": "datetime"}


@dataclass(frozen=True, kw_only=True)
class ColumnPlan:
    """One column of a canonical file: our type, its physical storage, a factor's levels.

    `because` tells which cell decided a guessed type, `parsed` as which numbers Arrow may read the
    column's text at once; they are not stored.
    """

    name: str
    type: ColumnType
    storage: Storage
    levels: tuple[str, ...] | None = None
    because: str | None = None
    parsed: Storage | None = None


def narrowest(low: int, high: int) -> Storage:
    """Return the smallest whole storage that holds `low` to `high`, both within int64."""
    return next(name for name, least, most in WHOLE_RANGES if least <= low and high <= most)


def batch_rows(plans: Sequence[ColumnPlan]) -> int:
    """Return the rows of each record batch but the last: 256 to 65,536, about 64 MiB at most.

    A function of the plans alone, so that a table's bytes do not depend on how it was read.
    """
    width = sum(_WIDTHS[plan.storage] for plan in plans)
    return max(MIN_BATCH_ROWS, min(MAX_BATCH_ROWS, BATCH_BYTES // max(width, 1)))


def arrow_schema(plans: Sequence[ColumnPlan]) -> Any:
    """Return the Arrow schema of a canonical file; each field carries our type as metadata."""
    import pyarrow as pa

    fields = []
    for plan in plans:
        if plan.storage == "codes":
            physical = pa.dictionary(pa.int32(), pa.string(), ordered=plan.type == "ordered")
        else:
            physical = physical_type(plan.storage)
        said: dict[str, Any] = {"type": plan.type}
        if plan.levels is not None:
            said["levels"] = list(plan.levels)
        metadata = {FIELD_KEY: json.dumps(said, ensure_ascii=False).encode()}
        fields.append(pa.field(plan.name, physical, nullable=True, metadata=metadata))
    return pa.schema(fields)


def physical_type(storage: Storage) -> Any:
    """Return Arrow's type of a storage other than "codes"."""
    import pyarrow as pa

    if storage == "datetime":
        return pa.timestamp("us", tz="UTC")
    return getattr(pa, {"bool": "bool_", "date": "date32"}.get(storage, storage))()


def read_field(field: Any) -> tuple[ColumnType, tuple[str, ...] | None]:
    """Return our type and the levels that a field of a canonical file carries."""
    said = json.loads(field.metadata[FIELD_KEY])
    levels = said.get("levels")
    return said["type"], None if levels is None else tuple(levels)


def told_by(field: Any) -> tuple[str, tuple[str, ...]]:
    """Return the type and levels that a field of anybody's file claims, "" and () for neither."""
    try:
        said = json.loads((field.metadata or {})[FIELD_KEY])
        kind, levels = said["type"], said.get("levels") or []
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return "", ()
    words = [level for level in levels if isinstance(level, str) and "\0" not in level]
    return str(kind), tuple(words) if len(words) <= MAX_LEVELS else ()


def relative_path(sha256: str) -> str:
    """Return where the canonical file of that content lies, relative to the datasets' folder."""
    return str(PurePosixPath(sha256[:2], f"{sha256}.arrow"))


def canonical_path(datasets: Path, sha256: str) -> Path:
    """Return where the canonical file of that content lies in the folder `datasets`."""
    return datasets / relative_path(sha256)
