"""A model is judged on a large table in a child of its own: requests for rows do not wait."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from service.domain.errors import TooLarge, Unavailable
from service.engine.judging.questions import Question
from service.executors.asking import Ended, TookTooLong, ask
from service.executors.judge_child import JudgeRequest, StoredArtifact

DEFAULT_SECONDS = 300.0
CHILD = "service.executors.judge_child"


def judge(
    artifacts: Sequence[StoredArtifact],
    table: Path,
    asked: Question,
    folder: Path,
    *,
    seconds: float = DEFAULT_SECONDS,
) -> bytes:
    """Return the answer to a question about models and a stored table; see the engine's `reply`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Args:
        artifacts: the models.
        table: the canonical file.
        asked: the question.
        folder: where the child may leave its answer for a moment.
        seconds: how long it may take.

    Raises:
        InvalidSpec, InvalidData, MissingValues: as the engine's `reply`.
        TooLarge: it took too long, or more memory than there is.
        Unavailable: an artifact is gone or damaged, the disk is full, or the child ended without
            an answer.
    """
    written = folder / f"judged-{uuid.uuid4().hex}"
    request = JudgeRequest(artifacts=tuple(artifacts), table=table, asked=asked, written=written)
    try:
        ask(CHILD, request, seconds)
        return written.read_bytes()
    except TookTooLong as end:
        raise TooLarge(
            f"Expected an answer within {seconds:g} seconds. It took longer. Ask for fewer "
            "resamples or shuffles, or judge on a part that `POST /v1/datasets/{d}/splits` makes."
        ) from end
    except Ended as end:
        raise Unavailable(
            f"The process that judged the model ended without an answer: {end}. Try again, on "
            "fewer rows if it ends the same way."
        ) from end
    finally:
        written.unlink(missing_ok=True)
