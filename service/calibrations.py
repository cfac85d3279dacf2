"""The file in which a worker keeps what training costs here, for itself and for the API."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from service.domain.cost import Calibration
from service.domain.jobs import Environment
from service.domain.schema import Value

log = logging.getLogger(__name__)

_FILE = "calibration.json"
# Backends, upgrades and machines that may share a folder; older ones are forgotten.
_KEPT = 16


class _Kept(Value):
    """The file's content: one calibration an environment, the newest first."""

    format: int = 1
    calibrations: tuple[Calibration, ...] = ()


def read(data_dir: Path, environment: Environment) -> Calibration | None:
    """Return the calibration of exactly this environment, or None: measured elsewhere is wrong."""
    kept = _read(data_dir).calibrations
    return next((each for each in kept if each.environment == environment), None)


def newest(data_dir: Path, versions: Mapping[str, str]) -> Calibration | None:
    """Return the newest calibration whose environment has these versions among its own.

    For a process that trains nothing and so knows a part of the environment only.
    """
    kept = _read(data_dir).calibrations
    return next(
        (each for each in kept if versions.items() <= each.environment.versions.items()), None
    )


def keep(data_dir: Path, calibration: Calibration) -> None:
    """Put a calibration in the place of what its environment had; readers never see half a file.

    Of two that write at once one may lose its entry, which is then measured again.
    """
    others = [
        each for each in _read(data_dir).calibrations if each.environment != calibration.environment
    ]
    kept = _Kept(calibrations=(calibration, *others[: _KEPT - 1]))
    aside = data_dir / f"{_FILE}.{uuid.uuid4().hex}.tmp"
    try:
        with aside.open("w", encoding="utf-8") as stream:
            stream.write(kept.model_dump_json(indent=1) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, data_dir / _FILE)
    finally:
        aside.unlink(missing_ok=True)


def _read(data_dir: Path) -> _Kept:
    try:
        text = (data_dir / _FILE).read_bytes()
    except FileNotFoundError:
        return _Kept()
    try:
        kept = _Kept.model_validate_json(text)
    except ValidationError as error:
        log.warning("%s is damaged and will be measured anew: %s", data_dir / _FILE, error)
        return _Kept()
    if kept.format != 1:
        log.warning("%s has format %d, which this version cannot read", _FILE, kept.format)
        return _Kept()
    return kept
