"""A job of a dead child, or of a dead worker, is free again within two seconds."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.rescue_times import (
    SAME_HOST_SECONDS,
    kill,
    killed_children,
    scene,
)


def test_what_a_killed_process_had_is_queued_again_at_once(tmp_path: Path) -> None:
    with scene(tmp_path / "data") as here:
        (of_child,) = killed_children(here, 1)["queued"]
        assert of_child <= SAME_HOST_SECONDS
        job_id, worker = here.training()
        killed_at = kill(worker)
        assert here.since(job_id, "queued", killed_at, 60) <= SAME_HOST_SECONDS
