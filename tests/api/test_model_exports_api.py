"""Models to take away over HTTP: made once, compared, kept, and refused where they cannot be."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from fastapi.testclient import TestClient

from service.domain.errors import NotExportable, Unavailable
from service.domain.network import Network
from service.engine.artifact import read
from service.engine.exports.probing import Probe
from service.engine.recipe import bake
from service.executors.export_child import require_onnx
from service.settings import Settings
from service.storage.exports import FOLDER
from service.storage.sweeper import sweep
from service.store.database import Database
from tests.api.conftest import Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted
from tests.engine.exports.mixed_models import OPTIONS, WHOLE, table_text

# Each starts children that import this service.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def model(client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    """A model of numbers and categories with gaps, whose recipe has every kind of step."""
    register("mixed", table_text(), OPTIONS)
    return fitted(trainer, client, {**fit, "dataset": "mixed", "recipe": list(WHOLE)})


def path_of(model: Any, form: str) -> str:
    return f"/v1/models/{model['id']}/artifact?format={form}"


def exports(settings: Settings) -> list[Path]:
    return [path for path in (settings.storage_root / FOLDER).rglob("*") if path.is_file()]


def test_a_bundle_runs_where_nothing_of_ours_is_and_says_what_the_service_says(
    client: TestClient, model: Any, tmp_path: Path
) -> None:
    answer = client.get(path_of(model, "bundle"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="little-1-bundle.zip"' in answer.headers["content-disposition"]
    assert 0 <= float(answer.headers["x-max-difference"]) <= 1e-6
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    # Rows with gaps, a level that training did not have and a column that nobody reads.
    text = table_text(40, seed=9).replace("square", "oval", 3)
    (tmp_path / "rows.csv").write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "scorer.py", tmp_path / "rows.csv"],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "utf-8"},
    )
    theirs = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    ours = client.post(
        f"/v1/models/{model['id']}/predictions?type=class,prob",
        content=text.encode(),
        headers={"Content-Type": "text/csv"},
    ).json()["rows"]
    assert [row[".pred_class"] for row in theirs] == [row[".pred_class"] for row in ours]
    # A few float32 steps of a probability.
    assert [float(row[".pred_a"]) for row in theirs] == pytest.approx(
        [row[".pred_a"] for row in ours], abs=1e-6
    )


def test_an_onnx_file_says_what_the_service_says_over_its_tensors(
    client: TestClient, model: Any
) -> None:
    answer = client.get(path_of(model, "onnx"))
    assert answer.status_code == 200, answer.text
    assert 'filename="little-1.onnx"' in answer.headers["content-disposition"]
    assert 0 <= float(answer.headers["x-max-difference"]) <= 1e-5
    session = onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])
    told = client.get(f"/v2/models/{model['id']}").json()
    assert [each.name for each in session.get_inputs()] == [each["name"] for each in told["inputs"]]
    rows = list(csv.DictReader(io.StringIO(table_text(40, seed=9).replace("square", "oval", 3))))
    tensors = []
    for each in told["inputs"]:
        cells = [row[each["name"]] for row in rows]
        if each["datatype"] == "FP64":
            cells = [float("nan" if cell == "NA" else cell) for cell in cells]
        tensors.append({**each, "shape": [len(rows), 1], "data": cells})
    feed = {
        each["name"]: np.array(
            each["data"], dtype=np.float64 if each["datatype"] == "FP64" else np.object_
        ).reshape(-1, 1)
        for each in tensors
    }
    classes, prob = session.run(["class", "prob"], feed)
    # JSON has no NaN: there, null is missing.
    body = json.dumps({"inputs": tensors, "outputs": [{"name": "class"}, {"name": "prob"}]})
    ours = client.post(
        f"/v2/models/{model['id']}/infer", content=body.replace("NaN", "null").encode()
    ).json()["outputs"]
    assert classes.tolist() == ours[0]["data"]
    # A few float32 steps of a probability.
    assert prob.ravel().tolist() == pytest.approx(ours[1]["data"], abs=3e-6)


def test_without_the_extra_it_is_a_conflict_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotExportable, match="extra 'onnx'"):
        require_onnx()


@pytest.fixture
def real(client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer) -> Any:
    """The same model with a file that Keras wrote."""

    def written(network: Network, weights: Any) -> bytes:
        from service.engine.training.export import keras_file
        from service.engine.training.network import keras_model

        return keras_file(keras_model(network, weights))

    trainer.keras_file = written
    register("mixed", table_text(), OPTIONS)
    return fitted(trainer, client, {**fit, "dataset": "mixed", "recipe": list(WHOLE)})


def baked_and_raw(settings: Settings, model: Any) -> tuple[Any, Any]:
    """Baked rows of the model, and what the model says of them."""
    artifact = read(settings.storage_root / model["artifact_path"], model["artifact_sha256"])
    probe = Probe(artifact, None)
    return bake(artifact.recipe, probe.source), probe.output.raw


@pytest.mark.slow
def test_a_saved_model_serves_the_baked_predictors_in_tensorflow(
    client: TestClient, settings: Settings, model: Any, tmp_path: Path
) -> None:
    answer = client.get(path_of(model, "saved_model"))
    assert answer.status_code == 200, answer.text
    assert 'filename="little-1-saved_model.zip"' in answer.headers["content-disposition"]
    assert 0 <= float(answer.headers["x-max-difference"]) <= 1e-6
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    baked, raw = baked_and_raw(settings, model)
    np.save(tmp_path / "rows.npy", baked)
    # TensorFlow alone: neither Keras nor this service is asked how to read it.
    script = (
        "import numpy as np, tensorflow as tf\n"
        "served = tf.saved_model.load('saved_model').signatures['serving_default']\n"
        "(name,) = served.structured_input_signature[1]\n"
        "(out,) = served(**{name: tf.constant(np.load('rows.npy'))}).values()\n"
        "np.save('out.npy', out.numpy())\n"
    )
    subprocess.run([sys.executable, "-I", "-c", script], cwd=tmp_path, check=True, timeout=100)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), raw, atol=1e-6)


@pytest.mark.slow
def test_the_keras_file_is_compared_and_has_an_etag(client: TestClient, real: Any) -> None:
    path = f"/v1/models/{real['id']}/artifact"
    file = client.get(path)
    assert file.status_code == 200, file.text
    assert 'filename="little-1.keras"' in file.headers["content-disposition"]
    assert 0 <= float(file.headers["x-max-difference"]) <= 1e-6
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert "model.weights.h5" in archive.namelist()
    again = client.get(f"{path}?format=keras", headers={"If-None-Match": file.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.slow
def test_a_keras_file_that_keras_does_not_open_is_not_given(client: TestClient, model: Any) -> None:
    answer = client.get(path_of(model, "keras"))
    assert answer.status_code == 503
    assert "does not open" in answer.json()["detail"]


def test_an_export_is_made_once_and_kept(
    client: TestClient, settings: Settings, model: Any
) -> None:
    first = client.get(path_of(model, "bundle"))
    made = {path: path.stat().st_mtime_ns for path in exports(settings)}
    assert len(made) == 2
    again = client.get(path_of(model, "bundle"))
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert {path: path.stat().st_mtime_ns for path in exports(settings)} == made
    assert again.headers["x-max-difference"] == first.headers["x-max-difference"]
    same = client.get(path_of(model, "bundle"), headers={"If-None-Match": first.headers["etag"]})
    assert same.status_code == 304
    assert list(settings.staging_dir.iterdir()) == []


def test_requests_at_once_are_answered_with_one_file(
    client: TestClient, settings: Settings, model: Any
) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: client.get(path_of(model, "bundle")), range(4)))
    assert [answer.status_code for answer in found] == [200] * 4
    assert len({answer.content for answer in found}) == 1
    assert len(exports(settings)) == 2
    assert list(settings.staging_dir.iterdir()) == []


@pytest.mark.parametrize("part", ["file", "export.json"])
def test_a_kept_file_that_was_damaged_is_made_anew(
    client: TestClient, settings: Settings, model: Any, part: str
) -> None:
    first = client.get(path_of(model, "bundle"))
    (damaged,) = [path for path in exports(settings) if path.name == part]
    damaged.write_bytes(damaged.read_bytes()[:-7])
    again = client.get(path_of(model, "bundle"))
    assert (again.status_code, again.content) == (200, first.content)
    assert len(exports(settings)) == 2


def test_a_making_that_is_killed_leaves_nothing_and_the_next_one_succeeds(
    client: TestClient, settings: Settings, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    popen = subprocess.Popen

    class Killed(popen):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            os.kill(self.pid, signal.SIGKILL)
            started.set()

    monkeypatch.setattr(subprocess, "Popen", Killed)
    killed = client.get(path_of(model, "bundle"))
    assert started.is_set()
    assert killed.status_code == 503
    assert "SIGKILL" in killed.json()["detail"]
    monkeypatch.setattr(subprocess, "Popen", popen)
    assert exports(settings) == []
    assert list(settings.staging_dir.iterdir()) == []
    assert client.get(path_of(model, "bundle")).status_code == 200


def test_another_step_is_a_conflict_that_names_it(
    client: TestClient, register: Tables, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    register("mixed", table_text(), OPTIONS)
    recipe = [{"step": "select", "columns": "wide"}, {"step": "impute_mean"}, {"step": "ns"}]
    model = fitted(trainer, client, {**fit, "dataset": "mixed", "recipe": recipe})
    answer = client.get(path_of(model, "bundle"))
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-exportable"
    assert "step 'ns'" in answer.json()["detail"]


def test_it_is_made_without_the_table_that_it_was_trained_on(
    client: TestClient, settings: Settings, model: Any
) -> None:
    shutil.rmtree(settings.datasets_dir)
    assert client.get(path_of(model, "bundle")).status_code == 200


def test_a_damaged_artifact_is_not_given_in_another_form(
    client: TestClient, settings: Settings, model: Any
) -> None:
    file = settings.storage_root / model["artifact_path"] / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    answer = client.get(path_of(model, "bundle"))
    assert answer.status_code == 503
    assert answer.json()["type"] == f"/problems/{Unavailable.code}"


def test_what_was_kept_is_swept_with_the_model(
    client: TestClient, settings: Settings, database: Database, model: Any
) -> None:
    client.get(path_of(model, "bundle"))
    root = settings.storage_root
    assert sweep(root, database, age_seconds=-1.0) == []
    client.delete(f"/v1/models/{model['id']}")
    swept = sweep(root, database, age_seconds=-1.0)
    assert swept is not None
    assert {left.path.relative_to(root).parts[0] for left in swept} == {"artifacts", "exports"}
    assert exports(settings) == []


def test_the_formats_that_there_are_are_told(client: TestClient, model: Any) -> None:
    refused = client.get(path_of(model, "pickle"))
    assert refused.status_code == 422
    assert "bundle" in json.dumps(refused.json())


def test_the_script_is_text_in_two_languages(client: TestClient, model: Any) -> None:
    path = f"/v1/models/{model['id']}/code"
    script = client.get(path)
    assert script.status_code == 200, script.text
    assert script.headers["content-type"] == "text/plain; charset=utf-8"
    assert 'filename="little-1.py"' in script.headers["content-disposition"]
    compile(script.text, "fit.py", "exec")
    assert "/v1/datasets/mixed/file?format=csv&formulas=keep" in script.text
    again = client.get(f"{path}?language=python", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304
    for_r = client.get(f"{path}?language=r")
    assert 'filename="little-1.R"' in for_r.headers["content-disposition"]
    assert "set_engine(" in for_r.text
    assert client.get(f"{path}?language=julia").status_code == 422


def test_a_script_that_cannot_be_printed_is_a_conflict(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    recipe = [{"step": "remove", "columns": "t"}, {"step": "spatialsign"}]
    model = fitted(trainer, client, {**fit, "recipe": recipe})
    answer = client.get(f"/v1/models/{model['id']}/code")
    assert answer.status_code == 409
    assert "step 'spatialsign' at place 2" in answer.json()["detail"]
    assert client.get(f"/v1/models/{model['id']}/code?language=r").status_code == 200
