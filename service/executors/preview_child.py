"""The child that prepares a recipe for a look; `service.executors.previewing` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.domain.recipe import Recipe
from service.domain.schema import Value
from service.executors.answering import answer


class PreviewRequest(Value):
    """What to prepare, and the files of the tables."""

    recipe: Recipe
    training: Path
    new_data: Path | None
    outcomes: list[str]
    count: int


def main() -> None:
    """Answer one `PreviewRequest` with what the engine's `preview` returns."""
    answer(
        PreviewRequest,
        _previewed,
        lambda _: "Expected tables that fit into memory. They need more.",
    )


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
