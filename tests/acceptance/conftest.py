"""Real processes for the acceptance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import RunningService


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts real processes and may take longer than other tests."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.acceptance)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(180))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    """Start services, in one folder unless another is given; all are ended afterwards."""
    started: list[RunningService] = []

    def one(*arguments: str, folder: Path | None = None, **environment: str) -> RunningService:
        service = RunningService(folder or tmp_path / "data", *arguments, **environment)
        started.append(service)
        return service

    yield one
    for service in started:
        service.stop()
