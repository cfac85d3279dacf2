"""The artifact: what is read is what was written, and nothing else is ever read."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.domain.errors import Unavailable
from service.domain.evaluations import ConstantPrediction
from service.domain.network import weights_sha256
from service.engine import artifact as artifacts
from service.engine.artifact import Artifact, publish, read, read_part, write
from service.engine.artifact.contents import Columns
from tests.engine.fitted_models import fitted_model, fitted_recipe, training

FILES = (
    "columns.json",
    "manifest.json",
    "model.keras",
    "network.json",
    "recipe.json",
    "spec.json",
    "summary.txt",
    "weights.npz",
)


def contents(one: Artifact) -> dict[str, Any]:
    """Return an artifact as values that can be compared."""
    parts = dict(vars(one))
    parts["weights"] = [(array.shape, array.tobytes()) for array in one.weights]
    return parts


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    constant = ConstantPrediction(kind="majority", values=(1,))
    written = replace(fitted_model(hidden=(5, 4), na=("", "?")), constant=constant)
    again = read(tmp_path / "a", write(tmp_path / "a", written))
    assert contents(again) == contents(written)
    assert again.mode == "classification"


def test_an_artifact_of_before_the_baseline_was_kept_is_read_without() -> None:
    kept = {"outcomes": ["y"], "levels": ["a", "b"], "columns": [], "na": [""]}
    assert Columns.model_validate_json(json.dumps(kept)).constant is None


def test_a_regression_of_several_outcomes_survives(tmp_path: Path) -> None:
    written = fitted_model(levels=None, outcomes=("u", "v"))
    again = read(tmp_path / "a", write(tmp_path / "a", written))
    assert (again.mode, again.levels, again.outcomes) == ("regression", None, ("u", "v"))


def test_equal_artifacts_have_one_name_and_other_contents_another(tmp_path: Path) -> None:
    names = [
        write(tmp_path / folder, fitted_model(seed=seed))
        for folder, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert names[0] == names[1] != names[2]
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_manifest_tells_every_file_and_what_the_registry_needs(tmp_path: Path) -> None:
    model = fitted_model()
    name = write(tmp_path / "a", model)
    raw = (tmp_path / "a" / "manifest.json").read_bytes()
    manifest = json.loads(raw)
    assert sha256(raw).hexdigest() == name
    assert manifest["format"] == 1
    assert manifest["created_by"] == "fitpoint"
    assert manifest["versions"] == dict(model.versions)
    assert manifest["n_parameters"] == model.network.n_parameters
    assert manifest["weights_sha256"] == weights_sha256(model.weights)
    assert sorted([*manifest["files"], "manifest.json"]) == list(FILES)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == list(FILES)
    for file, entry in manifest["files"].items():
        content = (tmp_path / "a" / file).read_bytes()
        assert entry == {"sha256": sha256(content).hexdigest(), "bytes": len(content)}


def test_weights_are_plain_arrays_that_numpy_reads_without_pickle(tmp_path: Path) -> None:
    model = fitted_model(hidden=(5, 4))
    write(tmp_path / "a", model)
    with np.load(tmp_path / "a" / "weights.npz", allow_pickle=False) as arrays:
        assert arrays.files == [
            f"dense_{layer}_{part}" for layer in (1, 2, 3) for part in ("kernel", "bias")
        ]
        assert {arrays[name].dtype for name in arrays.files} == {np.dtype("<f4")}


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_anywhere_in_any_file_is_refused(tmp_path: Path, file: str) -> None:
    name = write(tmp_path / "a", fitted_model())
    path = tmp_path / "a" / file
    sound = path.read_bytes()
    for place in {0, len(sound) // 2, len(sound) - 1}:
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        with pytest.raises(Unavailable, match=f"file {file} .* as it was published"):
            read(tmp_path / "a", name)
    path.write_bytes(sound)
    assert read(tmp_path / "a", name).levels == ("a", "b", "c")


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_lengthened_or_missing_file_is_refused(tmp_path: Path, file: str) -> None:
    name = write(tmp_path / "a", fitted_model())
    path = tmp_path / "a" / file
    sound = path.read_bytes()
    for broken in (sound[:-1], sound[: len(sound) // 2], b"", sound + b"\n"):
        path.write_bytes(broken)
        with pytest.raises(Unavailable, match=f"file {file} "):
            read(tmp_path / "a", name)
    path.unlink()
    with pytest.raises(Unavailable, match=f"{file} .*Received: No such file"):
        read(tmp_path / "a", name)


def test_another_artifact_is_not_taken_for_the_one_that_was_asked_for(tmp_path: Path) -> None:
    first = write(tmp_path / "a", fitted_model(seed=1))
    write(tmp_path / "b", fitted_model(seed=2))
    with pytest.raises(Unavailable, match=r"manifest\.json"):
        read(tmp_path / "b", first)


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _with(directory: Path, file: str, content: bytes) -> str:
    """Put a file into an artifact and forge its manifest; return the forged name."""
    (directory / file).write_bytes(content)
    manifest = json.loads((directory / "manifest.json").read_bytes())
    manifest["files"][file] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    forged = json.dumps(manifest).encode()
    (directory / "manifest.json").write_bytes(forged)
    return sha256(forged).hexdigest()


def _hostile(marker: Path) -> dict[str, bytes]:
    pickled = BytesIO()
    np.save(pickled, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    member = BytesIO()
    with zipfile.ZipFile(member, "w") as archive:
        archive.writestr("dense_1_kernel.npy", pickled.getvalue())
    huge = BytesIO()
    with zipfile.ZipFile(huge, "w") as archive:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1125899906842624,), }"
        body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("dense_1_kernel.npy", body)
    slip = BytesIO()
    with zipfile.ZipFile(slip, "w") as archive:
        archive.writestr("../../slipped", b"x")
    return {
        "a bare pickle": pickle.dumps(Bomb(marker)),
        "a pickled array": member.getvalue(),
        "an array of 4 PiB": huge.getvalue(),
        "a path out of the folder": slip.getvalue(),
        "no archive": b"\x93NUMPY",
    }


@pytest.mark.parametrize("kind", sorted(_hostile(Path())))
def test_hostile_weights_are_refused_by_hash_and_harmless_even_with_a_forged_one(
    tmp_path: Path, kind: str
) -> None:
    marker = tmp_path / "touched"
    hostile = _hostile(marker)[kind]
    name = write(tmp_path / "a", fitted_model())
    (tmp_path / "a" / "weights.npz").write_bytes(hostile)
    with pytest.raises(Unavailable, match=r"weights\.npz"):
        read(tmp_path / "a", name)
    # Whoever can also write the registry gets an error, and still nothing is run.
    forged = _with(tmp_path / "a", "weights.npz", hostile)
    with pytest.raises((ValueError, KeyError, MemoryError, OSError, EOFError)):
        read(tmp_path / "a", forged)
    assert not marker.exists()
    assert not list(tmp_path.parent.glob("slipped"))


def test_a_manifest_of_a_later_format_says_which_version_to_use(tmp_path: Path) -> None:
    write(tmp_path / "a", fitted_model())
    path = tmp_path / "a" / "manifest.json"
    later = path.read_bytes().replace(b'"format": 1', b'"format": 2')
    path.write_bytes(later)
    with pytest.raises(Unavailable, match=r"format 1.*version that wrote it"):
        read(tmp_path / "a", sha256(later).hexdigest())


def test_one_part_is_read_alone_and_verified(tmp_path: Path) -> None:
    name = write(tmp_path / "a", fitted_model())
    assert read_part(tmp_path / "a", name, "model.keras") == b"the bytes of a .keras file"
    assert read(tmp_path / "a", name, with_keras=False).keras_bytes == b""
    (tmp_path / "a" / "model.keras").write_bytes(b"the bytes of a .keras_file")
    for reading in (
        lambda: read_part(tmp_path / "a", name, "model.keras"),
        lambda: read(tmp_path / "a", name, with_keras=False),
    ):
        with pytest.raises(Unavailable, match=r"model\.keras"):
            reading()
    (tmp_path / "a" / "model.keras").unlink()
    with pytest.raises(Unavailable, match=r"model\.keras .*Received: No such file"):
        read_part(tmp_path / "a", name, "model.keras")


def test_reading_imports_nothing_that_trains_or_draws(tmp_path: Path) -> None:
    name = write(tmp_path / "a", fitted_model())
    script = (
        "import sys; from pathlib import Path; from service.engine.artifact import read; "
        "from service.engine.predictor import Predictor; "
        f"Predictor(read(Path({str(tmp_path / 'a')!r}), {name!r})); "
        "print(*(m for m in ('keras', 'tensorflow', 'jax', 'pandas', 'scipy', 'sklearn', "
        "'pyarrow', 'matplotlib', 'PIL') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": ()}, "weights of shapes"),
        ({"levels": ("a", "b")}, "3 levels or outcomes. Received 2"),
        ({"columns": ()}, "a profile of .*x1"),
        ({"recipe": fitted_recipe(training(columns=3))}, "3 outputs. Received 2"),
        ({"weights": tuple(np.zeros(s) for s in ((3, 5), (5,), (5, 3), (3,)))}, "float32"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(fitted_model(), **changes)


def test_a_staging_directory_with_leftovers_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "leftover").write_bytes(b"x")
    with pytest.raises(FileExistsError, match="empty staging directory"):
        write(tmp_path, fitted_model())


def test_the_package_exports_what_the_worker_calls() -> None:
    assert set(artifacts.__all__) == {"Artifact", "publish", "read", "read_part", "write"}
    assert publish is artifacts.publish
