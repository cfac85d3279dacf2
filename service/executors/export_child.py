"""The child that makes bundles and ONNX files and compares them with the model, without Keras."""

from __future__ import annotations

import importlib.util
import io
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.executors.answering import answer, hide_pandas
from service.executors.export_request import ExportRequest
from service.executors.export_writing import exported, probe_of, read_artifact

if TYPE_CHECKING:
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

    artifact = read_artifact(request)
    model = portable(artifact)
    content = bundle(model, request.title)
    request.written.write_bytes(content)
    return exported(content, _scored(content, probe_of(request, artifact)))


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
