"""Reading an artifact: every byte is verified before any is parsed, and Keras is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from service.domain.fit import FitSpec
from service.domain.network import Network
from service.engine.artifact.contents import Artifact, Columns, PartName, array_names
from service.engine.artifact.manifest import check, missing, read_manifest, sha256_of
from service.engine.recipe import FittedRecipe


def read(directory: Path, artifact_sha256: str, *, with_keras: bool = True) -> Artifact:
    """Return the artifact in `directory`, which must be the one called `artifact_sha256`.

    The manifest is compared with `artifact_sha256` and every file with the manifest; only then is
    anything parsed, out of the files that were hashed and are still open. No pickle is ever read.

    Args:
        directory: where it was published.
        artifact_sha256: its name, from the registry.
        with_keras: whether to keep the `.keras` file's bytes; it is verified in any case.

    Raises:
        Unavailable: a file is gone, shorter, longer or another one, or of a later format.
    """
    manifest = read_manifest(directory, artifact_sha256)
    with ExitStack() as stack:
        files: dict[PartName, IO[bytes]] = {}
        for name, entry in manifest.files.items():
            try:
                files[name] = stack.enter_context((directory / name).open("rb"))
                found = sha256_of(files[name])
                files[name].seek(0)
            except OSError as error:
                raise missing(name, artifact_sha256, error) from error
            check(name, entry, found, artifact_sha256)
        network = Network.model_validate_json(files["network.json"].read())
        columns = Columns.model_validate_json(files["columns.json"].read())
        return Artifact(
            spec=FitSpec.model_validate_json(files["spec.json"].read()),
            network=network,
            recipe=FittedRecipe.from_json(files["recipe.json"].read()),
            levels=columns.levels,
            outcomes=columns.outcomes,
            columns=columns.columns,
            na=columns.na,
            constant=columns.constant,
            weights=_weights(files, network),
            keras_bytes=files["model.keras"].read() if with_keras else b"",
            summary=files["summary.txt"].read().decode(),
            versions=manifest.versions,
        )


def read_part(directory: Path, artifact_sha256: str, name: PartName) -> bytes:
    """Return one file of an artifact, verified, such as `model.keras` for a download.

    Raises:
        Unavailable: the manifest or the file is gone or another one.
    """
    manifest = read_manifest(directory, artifact_sha256)
    try:
        with (directory / name).open("rb") as stream:
            found = sha256_of(stream)
            stream.seek(0)
            content = stream.read()
    except OSError as error:
        raise missing(name, artifact_sha256, error) from error
    check(name, manifest.files[name], found, artifact_sha256)
    return content


def _weights(
    files: Mapping[PartName, IO[bytes]], network: Network
) -> tuple[NDArray[np.float32], ...]:
    with np.load(files["weights.npz"], allow_pickle=False) as arrays:
        weights = tuple(arrays[name] for name in array_names(network))
    for array in weights:
        array.flags.writeable = False
    return weights
