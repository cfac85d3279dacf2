"""What every child that makes exports begins and ends with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from service.executors.export_request import Exported, ExportRequest

if TYPE_CHECKING:
    from service.engine.artifact import Artifact
    from service.engine.exports.probing import Checked, Probe


def read_artifact(request: ExportRequest) -> Artifact:
    """Return the artifact, every byte verified.

    Raises:
        Unavailable: a file is gone or another one.
    """
    from service.engine.artifact import read

    return read(request.artifact, request.artifact_sha256)


def probe_of(request: ExportRequest, artifact: Artifact) -> Probe:
    """Return the rows to compare on; a table that is gone or damaged gives none."""
    from service.engine.exports.probing import Probe
    from service.engine.tables.table import Table

    table = None
    if request.table is not None:
        try:
            table = Table.open(request.table)
        # Arrow's own error for a file that is none is a ValueError.
        except (OSError, ValueError):
            table = None
    return Probe(artifact, table)


def exported(content: bytes, checked: Checked) -> dict[str, Any]:
    """Return the answer for a file that was written and compared."""
    return Exported(
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        max_difference=checked.max_difference,
        rows=checked.rows,
    ).model_dump()
