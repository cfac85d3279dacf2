"""A real application over a migrated SQLite file, and what tests put into it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ByteSize

from service.app import create_app
from service.domain.datasets import ReadOptions
from service.engine.tables.ingest import ingest
from service.settings import Settings
from service.store import datasets, migrations
from service.store.database import Database
from tests.api.numpy_trainer import NumpyTrainer

# Two numeric predictors, one that never changes, a text column; a class that b tells.
CSV = "y,a,b,zero,t\n" + "".join(
    f"{'no' if i % 3 else 'yes'},{i / 4},{i % 3},7,{'uv'[i % 2]}\n" for i in range(60)
)
OPTIONS: dict[str, Any] = {"columns": {"y": {"type": "factor", "levels": ["no", "yes"]}}}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that nobody has open; tests copy it."""
    path = tmp_path_factory.mktemp("migrated") / "fitpoint.sqlite"
    migrations.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        max_upload_bytes=ByteSize(2_000_000),
        max_body_bytes=ByteSize(200_000),
        # The disk of who runs the tests may be nearly full.
        min_free_bytes=ByteSize(0),
    )


@pytest.fixture
def app(settings: Settings, migrated: Path) -> FastAPI:
    settings.data_dir.mkdir()
    shutil.copy(migrated, settings.data_dir / "fitpoint.sqlite")
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def database(client: TestClient, app: FastAPI) -> Database:
    """The very database that the application has open."""
    assert client.get("/livez").status_code == 200
    found: Database = app.state.resources.database
    return found


class Uploads:
    """Uploads through the API."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def __call__(
        self, name: str, table: str | bytes = CSV, options: Any = OPTIONS, file: str = "t.csv"
    ) -> Any:
        """Upload a table; the answer is returned whatever it is."""
        raw = table.encode() if isinstance(table, str) else table
        data = {"name": name}
        if options is not None:
            data["options"] = options if isinstance(options, str) else json.dumps(options)
        return self._client.post(
            "/v1/datasets", data=data, files={"file": (file, raw, "application/octet-stream")}
        )


@pytest.fixture
def upload(client: TestClient) -> Uploads:
    return Uploads(client)


class Tables:
    """Datasets registered without HTTP and without a child process, for speed."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def __call__(self, name: str, text: str = CSV, options: Any = OPTIONS) -> str:
        """Register a table and return its id."""
        source = self._settings.data_dir / f"{name}.csv"
        source.write_text(text)
        read = ReadOptions.model_validate(options)
        ingested = ingest(source, self._settings.datasets_dir, read)
        with self._database.write() as s:
            return datasets.register(
                s,
                name=name,
                n_rows=ingested.n_rows,
                n_columns=len(ingested.columns),
                sha256=ingested.sha256,
                bytes=ingested.bytes,
                columns=ingested.columns,
            ).id


@pytest.fixture
def register(settings: Settings, database: Database) -> Tables:
    return Tables(settings, database)


@pytest.fixture
def table(register: Tables) -> str:
    """The name of a dataset with `CSV`."""
    register("table")
    return "table"


@pytest.fixture
def trainer(settings: Settings, database: Database) -> NumpyTrainer:
    """Does a worker's part without Keras."""
    return NumpyTrainer(settings, database)


@pytest.fixture
def fit(table: str) -> dict[str, Any]:
    """The body of a fit of `table`."""
    return {
        "kind": "fit",
        "name": "little",
        "dataset": table,
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "remove", "columns": "t"}, {"step": "normalize"}],
        "model": {"epochs": 3, "seeds": [1, 2, 3]},
    }
