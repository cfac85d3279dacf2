"""The child that prepares a recipe for a look; `service.executors.previewing` starts it.

One request comes as JSON on standard input, one answer goes as JSON to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from service.domain.errors import FitpointError, TooLarge, Unavailable
from service.domain.recipe import Recipe
from service.domain.schema import Value
from service.executors.lifeline import die_with_parent


class PreviewRequest(Value):
    """What to prepare, and the files of the tables."""

    parent: int
    recipe: Recipe
    training: Path
    new_data: Path | None
    outcomes: list[str]
    count: int


class PreviewAnswer(Value):
    """What the engine's `preview` returned, or the error as it is stored."""

    preview: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def main() -> None:
    """Read the request, do it, write the answer. Anything unforeseen ends the process."""
    request = PreviewRequest.model_validate_json(sys.stdin.buffer.read())
    die_with_parent(request.parent)
    try:
        answer = PreviewAnswer(preview=_previewed(request))
    except FitpointError as error:
        answer = PreviewAnswer(error=error.as_stored())
    except MemoryError:
        too_large = TooLarge("Expected tables that fit into memory. They need more.")
        answer = PreviewAnswer(error=too_large.as_stored())
    sys.stdout.buffer.write(answer.model_dump_json().encode())


def _previewed(request: PreviewRequest) -> dict[str, Any]:
    from service.engine.recipe import preview
    from service.engine.tables.table import Table

    try:
        training = Table.open(request.training)
        new_data = Table.open(request.new_data) if request.new_data is not None else None
    except OSError as error:
        raise Unavailable("The rows of a dataset cannot be read from the storage.") from error
    return preview(request.recipe, training, new_data, request.outcomes, request.count)


if __name__ == "__main__":
    main()
