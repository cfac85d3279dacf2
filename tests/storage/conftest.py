"""A data folder with a dataset, a trained model, and the application over it."""

from __future__ import annotations

from tests.api.conftest import (
    app,
    client,
    database,
    fit,
    migrated,
    register,
    settings,
    table,
    trainer,
    upload,
)

__all__ = [
    "app",
    "client",
    "database",
    "fit",
    "migrated",
    "register",
    "settings",
    "table",
    "trainer",
    "upload",
]
