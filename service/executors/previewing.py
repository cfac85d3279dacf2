"""A recipe is prepared for a look in a child of its own: quick requests do not wait for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import TooLarge, Unavailable
from service.domain.roles import PreviewSpec
from service.executors.asking import Ended, TookTooLong, ask
from service.executors.preview_child import PreviewRequest

DEFAULT_SECONDS = 300.0
CHILD = "service.executors.preview_child"


def preview_recipe(
    spec: PreviewSpec,
    training: Path,
    new_data: Path | None,
    *,
    written: Path | None = None,
    seconds: float = DEFAULT_SECONDS,
) -> dict[str, Any]:
    """Prepare a recipe on one stored table and bake it and another; see the engine's `prepared`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Args:
        spec: the steps, in order, and the columns that they leave alone.
        training: the canonical file to learn from.
        new_data: the canonical file of another table, or None.
        written: where to write the new data after the recipe, or else the training data, as Arrow.
        seconds: how long it may take.

    Raises:
        InvalidSpec, InvalidData: as the engine's `prepared`.
        TooLarge: it took too long.
        Unavailable: the child ended without an answer, or the disk is full.
    """
    request = PreviewRequest(spec=spec, training=training, new_data=new_data, written=written)
    try:
        return ask(CHILD, request, seconds)
    except TookTooLong as end:
        raise TooLarge(
            f"Expected a recipe that is prepared within {seconds:g} seconds. It took longer. "
            "Preview it on a smaller dataset."
        ) from end
    except Ended as end:
        raise Unavailable(
            f"The process that prepared the recipe ended without an answer: {end}. Try again, on "
            "a smaller dataset if it ends the same way."
        ) from end
