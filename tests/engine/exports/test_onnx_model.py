"""The ONNX file: raw rows in ONNX Runtime give what the model gives, refused ones give NaN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from service.domain.errors import NotExportable
from service.domain.fit import KERAS3_ACTIVATIONS
from service.engine.artifact import Artifact
from service.engine.exports.onnx_model import IR_VERSION, feeds, onnx_model
from service.engine.exports.portable import portable
from service.engine.exports.probing import NEW, Probe
from service.engine.prediction_tensors import tensor_inputs, tensor_outputs
from tests.engine.exports.mixed_models import mixed_model, table_text

# Some float32 steps of a probability: other sums, and the runtime's own exp and erf.
ROUNDING = 3e-6


def session(artifact: Artifact) -> Any:
    content = onnx_model(portable(artifact), "m@1")
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def compared(artifact: Artifact, table: Any) -> float:
    probe = Probe(artifact, table)
    given = feeds(portable(artifact), probe.cells)
    if artifact.levels is None:
        (numeric,) = session(artifact).run(None, given)
        return probe.compare(numeric).max_difference
    classes, prob = session(artifact).run(["class", "prob"], given)
    return probe.compare(prob, [name or None for name in classes]).max_difference


def test_numbers_and_texts_with_gaps_and_new_levels_are_the_models(tmp_path: Path) -> None:
    artifact, table = mixed_model(tmp_path)
    probe = Probe(artifact, table)
    assert NEW in probe.cells["shape"]
    assert None in probe.cells["colour"]
    assert None in probe.cells["long"]
    assert compared(artifact, table) <= ROUNDING


def test_its_tensors_are_those_of_the_inference_protocol(tmp_path: Path) -> None:
    artifact, _ = mixed_model(tmp_path)
    probe = Probe(artifact, None)
    found = session(artifact)
    kinds = {"FP64": "tensor(double)", "FP32": "tensor(float)", "BYTES": "tensor(string)"}
    assert [(each.name, each.type, each.shape) for each in found.get_inputs()] == [
        (shape.name, kinds[shape.datatype], ["rows", 1]) for shape in tensor_inputs(probe.inputs)
    ]
    assert [(each.name, each.type, each.shape) for each in found.get_outputs()] == [
        (shape.name, kinds[shape.datatype], ["rows", *shape.shape[1:]])
        for shape in tensor_outputs(("class", "prob"), artifact.levels, artifact.outcomes)
    ]


def test_numbers_alone_are_one_matrix(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "select", "columns": ["price", "wide", "long"]},
        {"step": "impute_mean"},
        {"step": "normalize", "columns": ["long", "wide"]},
    ]
    artifact, table = mixed_model(tmp_path, steps)
    assert compared(artifact, table) <= ROUNDING
    (given,) = session(artifact).get_inputs()
    assert (given.name, given.type, given.shape) == ("input", "tensor(double)", ["rows", 3])


@pytest.mark.parametrize("activation", KERAS3_ACTIVATIONS)
def test_every_activation_is_the_models(tmp_path: Path, activation: str) -> None:
    artifact, table = mixed_model(tmp_path, activation=activation)
    assert compared(artifact, table) <= ROUNDING


@pytest.mark.parametrize(
    "steps",
    [
        [{"step": "select", "columns": ["flag"]}, {"step": "dummy", "one_hot": True}],
        [{"step": "select", "columns": ["size", "zero"]}, {"step": "dummy"}, {"step": "scale"}],
        [{"step": "select", "columns": "price"}, {"step": "range", "clipping": False}],
        [{"step": "select", "columns": "weight"}, {"step": "divide", "by": 255.0}],
        [
            {"step": "select", "columns": ["price", "weight"]},
            {"step": "ratio", "columns": "weight", "denom": "price", "keep_original_cols": False},
        ],
    ],
    ids=["texts alone", "ordered", "range", "divide", "ratio"],
)
def test_each_kind_of_step_is_held(tmp_path: Path, steps: list[dict[str, Any]]) -> None:
    artifact, table = mixed_model(tmp_path, steps)
    assert compared(artifact, table) <= ROUNDING


def test_a_regression_gives_numbers(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "remove", "columns": ["y", "colour", "shape"]},
        {"step": "impute_median"},
    ]
    artifact, table = mixed_model(tmp_path, [*steps, {"step": "dummy"}], outcome="price")
    assert compared(artifact, table) <= ROUNDING


# On relu a runtime may well make 0 of NaN: the row must be NaN all the same.
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("name", "cell"),
    [("wide", np.nan), ("wide", np.inf), ("wide", 1e300), ("flag", "maybe"), ("flag", "NA")],
)
def test_a_row_that_the_model_refuses_is_nan_and_has_no_class(
    tmp_path: Path, activation: str, name: str, cell: Any
) -> None:
    steps: list[dict[str, Any]] = [
        {"step": "select", "columns": ["wide", "flag"]},
        {"step": "dummy"},
    ]
    artifact, _ = mixed_model(tmp_path, steps, activation=activation)
    row = {
        "wide": np.array([[1.0], [1.0]]),
        "flag": np.array([["TRUE"], ["FALSE"]], dtype=object),
    }
    row[name][1, 0] = cell
    classes, prob = session(artifact).run(["class", "prob"], row)
    assert classes[0] in ("a", "b", "c")
    assert classes[1] == ""
    assert np.isfinite(prob[0]).all()
    assert np.isnan(prob[1]).all()


def test_the_file_is_one_that_runtimes_of_2022_read(tmp_path: Path) -> None:
    artifact, _ = mixed_model(tmp_path)
    content = onnx_model(portable(artifact), "m@1")
    assert content == onnx_model(portable(artifact), "m@1")
    made = onnx.load_from_string(content)
    assert made.ir_version == IR_VERSION == 8
    assert {each.domain: each.version for each in made.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert made.doc_string == "m@1"


def test_a_column_with_the_name_of_an_output_is_refused(tmp_path: Path) -> None:
    text = table_text().replace("y,long", "y,prob", 1)
    steps: list[dict[str, Any]] = [
        {"step": "select", "columns": ["prob", "flag"]},
        {"step": "impute_mean"},
    ]
    artifact, _ = mixed_model(tmp_path, [*steps, {"step": "dummy"}], text=text)
    with pytest.raises(NotExportable, match="'prob'"):
        onnx_model(portable(artifact), "m@1")
