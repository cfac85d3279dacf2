"""A real application over a migrated SQLite file, and what tests put into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from service.store import migrations
from service.store.database import Database

# Two numeric predictors, one that never changes, a text column; a class that b tells.
CSV = "y,a,b,zero,t\n" + "".join(
    f"{'no' if i % 3 else 'yes'},{i / 4},{i % 3},7,{'uv'[i % 2]}\n" for i in range(60)
)
OPTIONS = {"columns": {"y": {"type": "factor", "levels": ["no", "yes"]}}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", max_upload_bytes=2_000_000, max_body_bytes=200_000
    )


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    settings.data_dir.mkdir()
    migrations.migrate(settings.database_url)
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def database(client: TestClient) -> Database:
    """The very database that the application has open."""
    app: Any = client.app
    found: Database = app.state.resources.database
    return found


class Uploads:
    """Uploads through the API."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def __call__(
        self, name: str, text: str | bytes = CSV, options: Any = OPTIONS, file_name: str = "t.csv"
    ) -> Any:
        """Upload a table; the answer is returned whatever it is."""
        raw = text.encode() if isinstance(text, str) else text
        data = {"name": name}
        if options is not None:
            data["options"] = options if isinstance(options, str) else json.dumps(options)
        return self._client.post(
            "/v1/datasets", data=data, files={"file": (file_name, raw, "application/octet-stream")}
        )


@pytest.fixture
def upload(client: TestClient) -> Uploads:
    return Uploads(client)


@pytest.fixture
def table(upload: Uploads) -> Any:
    """A dataset called `table`."""
    answer = upload("table")
    assert answer.status_code == 201, answer.text
    return answer.json()
