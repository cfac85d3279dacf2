"""The child that divides a stored table; `service.executors.splitting` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain.errors import Unavailable
from service.domain.schema import Value
from service.executors.answering import answer, hide_pandas


class SplitRequest(Value):
    """Which table to divide, and how."""

    datasets: Path
    scratch: Path
    table: Path
    prop: float
    strata: str | None
    seed: int


def main() -> None:
    """Answer one `SplitRequest` with the two `Ingested`, as `training` and `testing`."""
    answer(SplitRequest, _split, lambda _: "Expected a table that fits into memory. It needs more.")


def _split(request: SplitRequest) -> dict[str, Any]:
    hide_pandas()
    from service.engine.tables.splitting import split

    try:
        training, testing = split(
            request.table,
            request.datasets,
            request.prop,
            request.strata,
            request.seed,
            scratch=request.scratch,
        )
    except FileNotFoundError as error:
        raise Unavailable("The rows of the dataset cannot be read from the storage.") from error
    return {
        "training": training.model_dump(mode="json"),
        "testing": testing.model_dump(mode="json"),
    }


if __name__ == "__main__":
    main()
