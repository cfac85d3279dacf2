"""A stored table is divided in a child of its own: it may take a while and much memory."""

from __future__ import annotations

from pathlib import Path

from service.domain.datasets import Ingested
from service.domain.errors import Unavailable
from service.executors.asking import Ended, ask
from service.executors.parsing import scratch_folder
from service.executors.split_child import SplitRequest

DEFAULT_SECONDS = 900.0
CHILD = "service.executors.split_child"


def split_table(
    table: Path,
    target_dir: Path,
    prop: float,
    strata: str | None,
    seed: int,
    seconds: float = DEFAULT_SECONDS,
) -> tuple[Ingested, Ingested]:
    """Divide a stored table in two, training rows first; see the engine's `split`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Raises:
        InvalidSpec: a part would have no rows.
        TooLarge: memory did not suffice.
        Unavailable: the disk is full, or the child ended without an answer.
    """
    try:
        with scratch_folder(target_dir) as (datasets, scratch):
            request = SplitRequest(
                datasets=datasets,
                scratch=scratch,
                table=table.absolute(),
                prop=prop,
                strata=strata,
                seed=seed,
            )
            told = ask(CHILD, request, seconds)
    except Ended as end:
        raise Unavailable(
            f"Expected two parts of the dataset. The process that made them ended: {end}. "
            "Try again."
        ) from end
    return Ingested.model_validate(told["training"]), Ingested.model_validate(told["testing"])
