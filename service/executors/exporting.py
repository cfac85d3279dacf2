"""Exports are made and compared in a child of their own: TensorFlow and ONNX stay out of here."""

from __future__ import annotations

from typing import Any

from service.domain.errors import TooLarge, Unavailable
from service.executors.asking import Ended, TookTooLong, ask
from service.executors.export_request import Exported, ExportRequest

DEFAULT_SECONDS = 300.0
CHILD = "service.executors.export_child"
KERAS_CHILD = "service.executors.keras_export_child"


def make_export(request: ExportRequest, seconds: float = DEFAULT_SECONDS) -> Exported:
    """Write a model in another form and compare it with the model; see `ExportRequest`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Raises:
        NotExportable: the form cannot hold the recipe, an extra is missing, or the file's answers
            differ from the model's.
        TooLarge: it took too long, or more than the memory there is.
        Unavailable: the artifact is damaged, the disk is full, or the child ended without an
            answer.
    """
    try:
        return Exported.model_validate(_asked(request, seconds))
    except TookTooLong as end:
        raise TooLarge(
            f"Expected a model that is exported within {seconds:g} seconds. It took longer."
        ) from end
    except Ended as end:
        raise Unavailable(
            f"The process that exported the model ended without an answer: {end}. Try again."
        ) from end


def _asked(request: ExportRequest, seconds: float) -> dict[str, Any]:
    # TensorFlow takes seconds and 800 MB to import: only who needs it pays.
    if request.format in ("keras", "saved_model"):
        # Whatever trains here: the weights are arrays, and only TensorFlow writes a SavedModel.
        return ask(KERAS_CHILD, request, seconds, {"KERAS_BACKEND": "tensorflow"})
    return ask(CHILD, request, seconds)
