"""The child that makes bundles and ONNX files and compares them with the model, without Keras."""

from __future__ import annotations

import importlib.util
import io
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.domain.errors import NotExportable
from service.executors.answering import answer, hide_pandas
from service.executors.export_request import ExportRequest
from service.executors.export_writing import exported, probe_of, read_artifact

if TYPE_CHECKING:
    from service.engine.exports.portable import Portable
    from service.engine.exports.probing import Checked, Probe


def main() -> None:
    """Answer one `ExportRequest` with an `Exported`."""
    answer(
        ExportRequest,
        _made,
        lambda _: "Expected a model that can be exported within memory. It needs more.",
    )


def _made(request: ExportRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.exports.bundle import bundle
    from service.engine.exports.portable import portable

    if request.format == "onnx":
        require_onnx()
    artifact = read_artifact(request)
    model = portable(artifact)
    if request.format == "onnx":
        from service.engine.exports.onnx_model import onnx_model

        content = onnx_model(model, request.title)
        checked = _run(content, model, probe_of(request, artifact))
    else:
        content = bundle(model, request.title)
        checked = _scored(content, probe_of(request, artifact))
    request.written.write_bytes(content)
    return exported(content, checked)


def require_onnx() -> None:
    """Refuse to make ONNX files where the extra for it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")):
        raise NotExportable(
            "Expected an installation with the extra 'onnx', which makes ONNX files and compares "
            "them. Received one without: pip install 'fitpoint[onnx]', and ask again."
        )


def _run(content: bytes, model: Portable, probe: Probe) -> Checked:
    """Compare an ONNX file, run by ONNX Runtime."""
    import onnxruntime

    from service.engine.exports.onnx_model import feeds

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = feeds(model, probe.cells)
    if model.levels is None:
        (numeric,) = session.run(["numeric"], given)
        return probe.compare(numeric)
    classes, prob = session.run(["class", "prob"], given)
    return probe.compare(prob, [name or None for name in classes.tolist()])


def _scored(content: bytes, probe: Probe) -> Checked:
    """Compare a bundle, unpacked and run as whoever takes it away runs it."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        spec = importlib.util.spec_from_file_location("scorer", Path(folder) / "scorer.py")
        assert spec is not None, "the bundle has it"
        assert spec.loader is not None, "it is a file"
        module = importlib.util.module_from_spec(spec)
        # Nothing is to be compiled into a folder that goes.
        sys.dont_write_bytecode = True
        spec.loader.exec_module(module)
        found = module.Scorer().predict(probe.rows())
    if "numeric" in found:
        return probe.compare(found["numeric"])
    return probe.compare(found["prob"], found["class"])


if __name__ == "__main__":
    main()
