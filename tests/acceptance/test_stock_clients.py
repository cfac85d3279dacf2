"""A client that other people wrote, unmodified, asks a real server: tritonclient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.acceptance.running import RunningService
from tests.acceptance.test_serve import with_iris

Start = Callable[..., RunningService]


@pytest.fixture
def service(start: Start) -> RunningService:
    return start(FITPOINT_SLOTS="1")


def test_tritonclient_finds_a_model_and_asks_it_in_every_way(service: RunningService) -> None:
    service.finished(with_iris(service)["id"])
    columns = list(service.call("GET", "/v1/models/iris/prototype")["properties"])
    asked = {"dataset": "iris", "type": ["class", "prob"]}
    ours = service.call("POST", "/v1/models/iris/predictions", json=asked)["rows"]
    listed = service.call("GET", "/v1/datasets/iris/rows", params={"count": 50})["data"]
    rows = np.array([[row[name] for name in columns] for row in listed])
    expected = ours[: len(rows)]
    client = triton.InferenceServerClient(service.address.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris")
        assert client.is_model_ready("iris", "1")
        assert not client.is_model_ready("iris", "9")
        assert client.get_server_metadata()["name"] == "fitpoint"
        told = client.get_model_metadata("iris")
        assert told["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}]
        for binary in (True, False):
            for dtype, datatype in ((np.float64, "FP64"), (np.float32, "FP32")):
                given = triton.InferInput("input", list(rows.shape), datatype)
                given.set_data_from_numpy(rows.astype(dtype), binary_data=binary)
                wanted = [
                    triton.InferRequestedOutput(name, binary_data=binary)
                    for name in ("class", "prob")
                ]
                found = client.infer("iris", [given], outputs=wanted, request_id="r1")
                _agree(found, expected, columns=3)
        # Without outputs it asks for all of them as bytes, of which ours are the default one.
        given = triton.InferInput("input", list(rows.shape), "FP64")
        given.set_data_from_numpy(rows)
        classes = client.infer("iris", [given], model_version="1").as_numpy("class")
        assert [text.decode() for text in classes] == [row[".pred_class"] for row in expected]
        narrow = triton.InferInput("input", [2, 2], "FP64")
        narrow.set_data_from_numpy(rows[:2, :2])
        with pytest.raises(InferenceServerException, match=r"Expected the shape \[rows, 4\]"):
            client.infer("iris", [narrow])
        with pytest.raises(InferenceServerException, match="nobody"):
            client.get_model_metadata("nobody")
    finally:
        client.close()


def _agree(found: Any, expected: list[dict[str, Any]], *, columns: int) -> None:
    names = [text.decode() if isinstance(text, bytes) else text for text in found.as_numpy("class")]
    assert names == [row[".pred_class"] for row in expected]
    prob = found.as_numpy("prob")
    assert prob.shape == (len(expected), columns)
    told = [[row[name] for name in row if name != ".pred_class"] for row in expected]
    # The same float32, whether it came as bytes or as JSON; float32 inputs round the rows first.
    assert np.allclose(prob, told, rtol=0, atol=1e-5)


def test_tritonclient_sends_categories_as_text(service: RunningService, tmp_path: Path) -> None:
    text = "y,a,t\n" + "".join(f"{i % 7},{i / 4},{'uvw'[i % 3]}\n" for i in range(90))
    file = tmp_path / "t.csv"
    file.write_text(text)
    with file.open("rb") as opened:
        service.call(
            "POST",
            "/v1/datasets",
            data={"name": "t", "options": json.dumps({"columns": {"y": {"type": "numeric"}}})},
            files={"file": ("t.csv", opened)},
        )
    body = {
        "kind": "fit",
        "name": "t",
        "dataset": "t",
        "outcome": "y",
        "recipe": [{"step": "dummy"}],
        "model": {"hidden_units": 2, "epochs": 1, "seeds": [1, 2, 3]},
    }
    job = service.call("POST", "/v1/jobs", json=body)
    assert service.finished(job["id"])["state"] == "succeeded"
    rows = [{"a": 1.0, "t": "w"}, {"a": 2.5, "t": "v"}]
    ours = service.call("POST", "/v1/models/t/predictions", json={"rows": rows})["rows"]
    client = triton.InferenceServerClient(service.address.removeprefix("http://"))
    try:
        for binary in (True, False):
            number = triton.InferInput("a", [2, 1], "FP64")
            number.set_data_from_numpy(np.array([[1.0], [2.5]]), binary_data=binary)
            factor = triton.InferInput("t", [2, 1], "BYTES")
            factor.set_data_from_numpy(np.array([["w"], ["v"]], dtype=object), binary_data=binary)
            found = client.infer("t", [number, factor]).as_numpy("numeric")
            assert found.ravel().tolist() == [np.float32(row[".pred"]) for row in ours]
    finally:
        client.close()
