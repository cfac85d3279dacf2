"""Exports that were made, kept in the storage: each once, whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.domain.errors import NoSpace, Unavailable, is_disk_full
from service.domain.models import RegisteredModel
from service.executors.export_request import Exported, ExportFormat, ExportRequest
from service.executors.exporting import make_export

FOLDER = "exports"
# A later version that makes other files counts on: what earlier ones kept is not given then.
_MAKING = 1
_FILE = "file"
_REPORT = "export.json"


class Exports:
    """Files that are made of artifacts, by the artifact's hash and the format.

    A file is made in a folder of its own, then renamed to its place: after a kill at any moment
    the place holds a whole export or none, and what is left in staging is swept. Requests for the
    same export at the same time wait for one; of two processes the later one's is dropped. A kept
    file is compared with its hash before it is given, and made anew if it is another one.
    """

    def __init__(self, root: Path, staging: Path, datasets: Path) -> None:
        """Take the storage's folder, and on the same disk where files grow and the tables lie."""
        self._root = root
        self._staging = staging
        self._datasets = datasets
        self._lock = threading.Lock()
        self._making: dict[Path, tuple[threading.Lock, int]] = {}

    def kept(self, model: RegisteredModel, form: ExportFormat) -> tuple[bytes, Exported] | None:
        """Return an export that was made before and is sound, or None."""
        place = self._place(model, form)
        try:
            report = Exported.model_validate_json((place / _REPORT).read_bytes())
            content = (place / _FILE).read_bytes()
        # A torn report is no JSON, or lacks a field.
        except (OSError, ValueError):
            return None
        sound = hashlib.sha256(content).hexdigest() == report.sha256
        return (content, report) if sound else None

    def get(self, model: RegisteredModel, form: ExportFormat) -> tuple[bytes, Exported]:
        """Return an export's bytes and how it was compared, making it if need be.

        Raises:
            NotExportable, TooLarge, Unavailable: as `make_export`.
            NoSpace: the disk is full.
        """
        with self._alone(self._place(model, form)):
            return self.kept(model, form) or self._made(model, form)

    def _made(self, model: RegisteredModel, form: ExportFormat) -> tuple[bytes, Exported]:
        place = self._place(model, form)
        staged = self._staging / f"export-{uuid.uuid4().hex}"
        try:
            staged.mkdir(parents=True)
            report = make_export(self._request(model, form, staged / _FILE))
            content = (staged / _FILE).read_bytes()
            (staged / _REPORT).write_text(report.model_dump_json())
            place.parent.mkdir(parents=True, exist_ok=True)
            self._move(staged, place)
        except OSError as error:
            if is_disk_full(error):
                raise NoSpace("Expected room on the disk for the export. It is full.") from error
            raise Unavailable(
                f"Expected a storage folder that takes the export. It does not: {error.strerror}."
            ) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return content, report

    @staticmethod
    def _move(staged: Path, place: Path) -> None:
        """Put a made export in its place, in place of one that is damaged."""
        try:
            staged.rename(place)
        except OSError:
            # There is one: damaged, or another process's, which is as good as ours.
            damaged = staged.with_name(f"{staged.name}-damaged")
            with suppress(OSError):
                place.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
            with suppress(OSError):
                staged.rename(place)

    def _request(self, model: RegisteredModel, form: ExportFormat, written: Path) -> ExportRequest:
        table = self._datasets / model.dataset_sha256[:2] / f"{model.dataset_sha256}.arrow"
        return ExportRequest(
            format=form,
            artifact=self._root / model.artifact_path,
            artifact_sha256=model.artifact_sha256,
            table=table if table.is_file() else None,
            title=f"{model.name}@{model.version}",
            written=written,
        )

    def _place(self, model: RegisteredModel, form: ExportFormat) -> Path:
        sha256 = model.artifact_sha256
        return self._root / FOLDER / sha256[:2] / sha256 / f"{form}-{_MAKING}"

    @contextmanager
    def _alone(self, place: Path) -> Iterator[None]:
        """Let one thread at a time make what belongs to a place."""
        with self._lock:
            lock, waiting = self._making.get(place, (threading.Lock(), 0))
            self._making[place] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._making.pop(place)
                if waiting > 1:
                    self._making[place] = (lock, waiting - 1)
