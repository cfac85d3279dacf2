"""Predictors that are ready: each artifact is loaded once, and the least used one makes room."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

from service.domain.errors import Unavailable
from service.engine.artifact import read
from service.engine.predictor import Predictor

log = logging.getLogger(__name__)

_Key = tuple[str, str]


class Predictors:
    """A bounded cache of predictors by artifact, safe to use from many threads.

    A predictor is whole before it is handed out, and is loaded before another is dropped; whoever
    holds a dropped one goes on using it. An artifact's hashes are verified when it is loaded and
    not again: while the files are gone or the disk is read-only, what is loaded goes on answering.
    """

    def __init__(self, storage_root: Path, capacity: int = 16) -> None:
        """Take the folder that artifacts' paths are relative to.

        Args:
            storage_root: the storage's folder.
            capacity: how many predictors to keep, 1 or more.
        """
        if capacity < 1:
            raise ValueError(f"Expected a capacity of at least 1. Received {capacity}.")
        self._root = storage_root
        self._capacity = capacity
        self._lock = threading.Lock()
        self._ready: OrderedDict[_Key, Predictor] = OrderedDict()
        self._loading: dict[_Key, Future[Predictor]] = {}

    def get(self, artifact_path: str, artifact_sha256: str) -> Predictor:
        """Return the predictor of an artifact, loading it if need be.

        Threads that ask for one at the same time wait for one load. A load that failed is not
        remembered: the next request tries again.

        Args:
            artifact_path: relative to the storage, from the model's row.
            artifact_sha256: its name, from the same row.

        Raises:
            Unavailable: the artifact is gone, or is not what was published.
        """
        key = (artifact_path, artifact_sha256)
        with self._lock:
            ready = self._ready.get(key)
            if ready is not None:
                self._ready.move_to_end(key)
                return ready
            future = self._loading.get(key)
            mine = future is None
            if future is None:
                future = self._loading[key] = Future()
        if mine:
            self._load(key, future)
        return future.result()

    def forget(self, artifact_path: str, artifact_sha256: str) -> None:
        """Drop a predictor whose model was deleted, if it is there."""
        with self._lock:
            self._ready.pop((artifact_path, artifact_sha256), None)

    def __len__(self) -> int:
        """Return how many predictors are ready."""
        return len(self._ready)

    def _load(self, key: _Key, future: Future[Predictor]) -> None:
        try:
            predictor = Predictor(read(self._directory(key[0]), key[1], with_keras=False))
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            future.set_exception(error)
            return
        with self._lock:
            self._ready[key] = predictor
            del self._loading[key]
            while len(self._ready) > self._capacity:
                self._ready.popitem(last=False)
        log.info("Loaded an artifact", extra={"artifact": key[1]})
        future.set_result(predictor)

    def _directory(self, artifact_path: str) -> Path:
        directory = self._root / artifact_path
        if not directory.resolve().is_relative_to(self._root.resolve()):
            raise Unavailable(
                "Expected an artifact inside the storage. Received a path that leads out of it."
            )
        return directory
