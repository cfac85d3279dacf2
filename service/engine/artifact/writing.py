"""Writing an artifact into a staging directory."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np

from service.domain.network import weights_sha256
from service.engine.artifact.contents import Artifact, Columns, PartName, array_names
from service.engine.artifact.manifest import FORMAT, MANIFEST, FileEntry, Manifest

CREATED_BY = "fitpoint"


def write(directory: Path, artifact: Artifact) -> str:
    """Write an artifact's files into a new directory and return the sha256 of its manifest.

    Equal artifacts give equal bytes and so the same sha256. Nothing is durable before `publish`.

    Args:
        directory: is made, with its parents; must be empty if it is there.
        artifact: what to write.

    Raises:
        FileExistsError: the directory holds files, such as those of an attempt that was killed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(
            f"Expected an empty staging directory. Received one with files: {directory.name}."
        )
    entries = {name: _written(directory / name, part) for name, part in _parts(artifact).items()}
    manifest = Manifest(
        format=FORMAT,
        created_by=CREATED_BY,
        versions=dict(artifact.versions),
        n_parameters=artifact.network.n_parameters,
        weights_sha256=weights_sha256(artifact.weights),
        files=entries,
    )
    return _written(directory / MANIFEST, manifest.to_bytes()).sha256


def _parts(artifact: Artifact) -> dict[PartName, bytes]:
    columns = Columns(
        outcomes=artifact.outcomes,
        levels=artifact.levels,
        columns=artifact.columns,
        na=artifact.na,
        constant=artifact.constant,
    )
    return {
        "columns.json": columns.model_dump_json(indent=1).encode(),
        "model.keras": artifact.keras_bytes,
        "network.json": artifact.network.model_dump_json(indent=1).encode(),
        "recipe.json": artifact.recipe.to_json().encode(),
        "spec.json": artifact.spec.model_dump_json(indent=1).encode(),
        "summary.txt": artifact.summary.encode(),
        "weights.npz": _npz(artifact),
    }


def _npz(artifact: Artifact) -> bytes:
    # numpy dates each member 1980, so that equal weights are equal bytes.
    buffer = BytesIO()
    arrays = dict(zip(array_names(artifact.network), artifact.weights, strict=True))
    np.savez(buffer, allow_pickle=False, **{k: np.ascontiguousarray(v) for k, v in arrays.items()})
    return buffer.getvalue()


def _written(path: Path, content: bytes) -> FileEntry:
    path.write_bytes(content)
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
