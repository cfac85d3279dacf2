"""The child that judges models on large tables; `service.executors.judging` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.domain.schema import Value
from service.engine.artifact import read
from service.engine.judging.questions import Question
from service.engine.judging.replies import reply
from service.engine.predictor import Predictor
from service.executors.answering import answer, hide_pandas


class StoredArtifact(Value):
    """Where a model's files lie, and the name that they are verified by."""

    directory: Path
    sha256: str


class JudgeRequest(Value):
    """Which models, on which canonical file, what about them, and where to write the answer."""

    artifacts: tuple[StoredArtifact, ...]
    table: Path
    asked: Question
    written: Path


def main() -> None:
    """Answer one `JudgeRequest` with how many bytes were written."""
    answer(
        JudgeRequest, _judged, lambda _: "Expected a table that fits into memory. It needs more."
    )


def _judged(request: JudgeRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.tables.table import Table

    predictors = [
        Predictor(read(stored.directory, stored.sha256, with_keras=False))
        for stored in request.artifacts
    ]
    try:
        table = Table.open(request.table)
    except OSError as error:
        raise Unavailable("The rows of the dataset cannot be read from the storage.") from error
    return {"bytes": request.written.write_bytes(reply(predictors, table, request.asked))}


if __name__ == "__main__":
    main()
