"""The child that makes and compares what needs Keras: SavedModels, and the `.keras` file."""

from __future__ import annotations

from typing import Any

from service.executors.answering import answer, hide_pandas
from service.executors.export_request import ExportRequest
from service.executors.export_writing import exported, probe_of, read_artifact


def main() -> None:
    """Answer one `ExportRequest` with an `Exported`."""
    answer(
        ExportRequest,
        _made,
        lambda _: "Expected a model that can be exported within memory. It needs more.",
    )


def _made(request: ExportRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.recipe import bake

    # First what is quickly refused: TensorFlow takes seconds.
    artifact = read_artifact(request)
    probe = probe_of(request, artifact)
    rows = bake(artifact.recipe, probe.source)
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=1)
    from service.engine.training.saved_model import opened, saved_model, served

    if request.format == "saved_model":
        content = saved_model(artifact)
        checked = probe.compare(served(content, rows))
    else:
        content = artifact.keras_bytes
        checked = probe.compare(opened(content, rows))
    request.written.write_bytes(content)
    return exported(content, checked)


if __name__ == "__main__":
    main()
