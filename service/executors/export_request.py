"""What the children that make exports are asked, and what they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from service.domain.schema import Value

ExportFormat = Literal["keras", "onnx", "bundle", "saved_model"]


class ExportRequest(Value):
    """An artifact to give in another form, compared with it, and where to write the file.

    `table` is the canonical file of the table that it was trained on; None, or one that is gone,
    leaves the rows that are drawn from the artifact's own profile. `title` is the model's name.
    """

    format: ExportFormat
    artifact: Path
    artifact_sha256: str
    table: Path | None
    title: str
    written: Path


class Exported(Value):
    """A file that was made: its identity, and how it was compared."""

    sha256: str
    bytes: int
    max_difference: float
    rows: int
