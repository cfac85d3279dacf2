"""The API's fixtures: what the command says is compared with what the service says."""

from tests.api.conftest import app, client, migrated, settings, upload

__all__ = ["app", "client", "migrated", "settings", "upload"]
