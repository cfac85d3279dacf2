"""Who is let in when the disk is short: whatever reads and predicts, but nothing that fills it."""

from __future__ import annotations

from fastapi import Depends, Request

from service.api.dependencies import SettingsOf
from service.settings import Settings
from service.storage.keeper import database_folder
from service.storage.space import require_space, shortage


def require_room(settings: Settings, incoming: int = 0) -> None:
    """Raise NoSpace when the disk has no room for more than is there, and `incoming` bytes."""
    folders = (settings.storage_root, database_folder(settings))
    require_space(folders, settings.min_free_bytes, incoming)


def short_of_room(settings: Settings) -> str | None:
    """Return what the disk lacks, in a sentence; None when it has room."""
    return shortage((settings.storage_root, database_folder(settings)), settings.min_free_bytes)


def _room(request: Request, settings: SettingsOf) -> None:
    announced = request.headers.get("content-length", "0")
    require_room(settings, int(announced[:20]) if announced.isdecimal() else 0)


Room = Depends(_room)
