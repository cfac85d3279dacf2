"""The child that prepares a recipe for a look; `service.executors.previewing` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.domain.roles import PreviewSpec
from service.domain.schema import Value
from service.executors.answering import answer, hide_pandas


class PreviewRequest(Value):
    """What to prepare, the files of the tables, and where to write the baked one, if anywhere.

    That is the new data, or the training data where there are none.
    """

    spec: PreviewSpec
    training: Path
    new_data: Path | None
    written: Path | None = None


def main() -> None:
    """Answer one `PreviewRequest` with what the engine's `preview` returns."""
    answer(
        PreviewRequest,
        _previewed,
        lambda _: "Expected tables that fit into memory. They need more.",
    )


def _previewed(request: PreviewRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.recipe import prepared
    from service.engine.tables.table import Table

    try:
        training = Table.open(request.training)
        new_data = Table.open(request.new_data) if request.new_data is not None else None
    except OSError as error:
        raise Unavailable("The rows of a dataset cannot be read from the storage.") from error
    spec = request.spec
    others = [name for name in spec.roles if name not in spec.outcomes]
    made = prepared(spec.recipe, training, new_data, spec.outcomes, spec.count, others)
    if request.written is not None:
        from service.engine.recipe.baked_file import write_baked

        write_baked(made.new_data or made.training, request.written)
    return made.told


if __name__ == "__main__":
    main()
