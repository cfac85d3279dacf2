"""Compiled programs that outlive their process: what one child compiled, the next one loads.

The backends can keep programs in a folder, and trust what they find there: TensorFlow refuses a
fit for ever over a file that a killed process left half written. So each process gives its backend
a folder of its own, filled with copies of shared files whose hash is right. What is new in it after
a fit is shared under a name that holds its hash, written aside and renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

# Of half a megabyte each, for one environment; the oldest go first.
_MOST_FILES: Final = 128
_DAY_SECONDS: Final = 86_400


class Compiled:
    """A process's folder of compiled programs, and the one that it shares them with.

    Without a folder of its own, as on a disk that cannot be written, it does nothing.
    """

    def __init__(self, root: Path, own: Path | None) -> None:
        self._root = root
        self._own = own
        self._shared: Path | None = None
        self._known: set[str] = set()

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that a backend reads once, when it is imported."""
        if self._own is None:
            return {}
        asked = os.environ.get("TF_XLA_FLAGS", "")
        folder = f"--tf_xla_persistent_cache_directory={self._own}"
        return {
            "TF_XLA_FLAGS": f"{asked} {folder} --tf_xla_persistent_cache_device_types=CPU".strip(),
            "JAX_COMPILATION_CACHE_DIR": str(self._own),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            # They would make the folder, which is this process's own, a part of each key.
            "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
        }

    def fetch(self, fingerprint: str) -> None:
        """Copy what processes of the same environment have shared, before the first fit."""
        if self._own is None:
            return
        with suppress(OSError):
            self._shared = self._root / fingerprint
            self._shared.mkdir(parents=True, exist_ok=True)
            for path in self._shared.iterdir():
                digest, _, name = path.name.partition(".")
                if len(digest) == 64 and _sha256(path.read_bytes()) == digest:
                    shutil.copyfile(path, self._own / name)
                    self._known.add(name)

    def keep(self) -> None:
        """Share nothing of what is there now: a calibration's programs must compile elsewhere."""
        if self._own is not None:
            with suppress(OSError):
                self._known |= {path.name for path in self._own.iterdir()}

    def share(self) -> None:
        """Share what is new; the backend must not be compiling."""
        if self._own is None or self._shared is None:
            return
        with suppress(OSError):
            for path in self._own.iterdir():
                if path.name not in self._known:
                    content = path.read_bytes()
                    aside = self._root / "own" / uuid.uuid4().hex
                    aside.write_bytes(content)
                    aside.rename(self._shared / f"{_sha256(content)}.{path.name}")
                    self._known.add(path.name)
            _remove_most(self._shared)


@contextmanager
def compiled_programs(root: Path | None = None) -> Iterator[Compiled]:
    """Give this process's backend, which is not imported yet, a folder for compiled programs.

    Args:
        root: where they are shared; default: `fitpoint` in the user's folder of caches.
    """
    root = cache_root() if root is None else root
    own: Path | None = None
    with suppress(OSError, RuntimeError):
        (root / "own").mkdir(parents=True, exist_ok=True)
        _remove_old(root / "own")
        own = Path(tempfile.mkdtemp(dir=root / "own"))
    programs = Compiled(root, own)
    os.environ |= programs.settings
    try:
        yield programs
    finally:
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)


def cache_root() -> Path:
    """Return where this user's programs may keep what can be made again."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "fitpoint"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remove_old(folder: Path) -> None:
    """Remove what processes left that were killed; a living one's is younger or written to."""
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > 7 * _DAY_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove_most(folder: Path) -> None:
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in files[: max(len(files) - _MOST_FILES, 0)]:
        path.unlink(missing_ok=True)
