"""A disk that is short: what fills it is refused, what reads and predicts goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.domain.errors import NoSpace
from service.settings import Settings
from service.storage.space import LEAST_BYTES, MOST_BYTES, require_space, shortage
from service.store.database import Database
from tests.api.conftest import Uploads
from tests.api.numpy_trainer import NumpyTrainer, fitted


def test_five_percent_are_kept_free_between_two_and_ten_gibibytes(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    kept = min(max(LEAST_BYTES, usage.total // 20), MOST_BYTES)
    folder = tmp_path / "not" / "there" / "yet"
    assert shortage([folder], None, incoming=usage.free - kept + 2**30) is not None
    assert (shortage([folder], None) is None) == (usage.free >= kept)
    assert shortage([folder], 0) is None
    assert shortage([folder], 0, incoming=usage.free + 2**30) is not None
    with pytest.raises(NoSpace, match="free on the disk of yet"):
        require_space([folder], usage.total + 1)


@pytest.fixture
def short(app: FastAPI, settings: Settings, database: Database) -> Any:
    """Make the disk look short to the application, by asking for more than it has."""
    resources = app.state.resources
    wanted = shutil.disk_usage(settings.data_dir).total + 1

    def change(*, is_short: bool) -> None:
        told = settings.model_copy(update={"min_free_bytes": wanted if is_short else 0})
        object.__setattr__(resources, "settings", told)

    assert database is not None
    return change


def test_when_the_disk_is_short_predictions_go_on_and_nothing_is_let_in(
    client: TestClient,
    fit: dict[str, Any],
    trainer: NumpyTrainer,
    upload: Uploads,
    short: Any,
) -> None:
    model = fitted(trainer, client, fit)
    rows = {"rows": [{"a": 1, "b": 2}]}
    key = {"Idempotency-Key": "made-before"}
    first = client.post("/v1/jobs", json=fit, headers=key)
    cancel = f"{first.headers['location']}/cancel"
    short(is_short=True)
    for refused in (
        client.post("/v1/jobs", json=fit),
        upload("more"),
        client.post("/v1/datasets", json={"name": "iris", "builtin": "iris"}),
        client.post(f"/v1/jobs/{model['job_id']}/replay"),
    ):
        assert refused.status_code == 507, refused.text
        assert refused.json()["type"] == "/problems/no-space"
        assert refused.headers["retry-after"]
    assert client.post(f"/v1/models/{model['id']}/predictions", json=rows).status_code == 200
    assert client.post("/v1/jobs?dry_run=true", json=fit).status_code == 200
    assert client.post("/v1/jobs", json=fit, headers=key).content == first.content
    assert client.post(cancel).status_code == 200
    assert client.post(cancel.replace("cancel", "retry")).status_code == 507
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert any("free on the disk" in reason for reason in ready.json()["degraded"])
    assert client.delete(first.headers["location"]).status_code == 204
    short(is_short=False)
    assert client.post("/v1/jobs", json=fit).status_code == 202
    assert client.get("/problems/no-space").status_code == 200
