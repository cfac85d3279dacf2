"""Uploads and built-in datasets are read in a child of their own: a bad file fells nobody else."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path

from service.domain.datasets import BuiltinRequest, Ingested, ReadLimits, ReadOptions
from service.domain.errors import (
    FieldError,
    FitpointError,
    Unavailable,
    UnreadableFile,
    from_stored,
)
from service.executors.parse_child import ANSWER, ParseAnswer, ParseRequest

log = logging.getLogger(__name__)

DEFAULT_LIMITS = ReadLimits()


def parse_upload(
    source: Path, target_dir: Path, options: ReadOptions, limits: ReadLimits = DEFAULT_LIMITS
) -> Ingested:
    """Read an upload into the datasets' folder `target_dir` as a canonical file; see `ingest`.

    Call it from a thread that lives until it returns: the child dies with the thread.

    Raises:
        UnreadableFile: it is no table, or reading it killed the child or took too long.
        TooLarge: it is over one of the limits, or needs more memory than they allow.
        InvalidSpec: the options contradict themselves or the file's columns.
        Unavailable: the disk is full.
    """
    try:
        return _parsed(target_dir, limits, upload=source.absolute(), options=options)
    except _Ended as end:
        detail = (
            f"Expected a table. Received a file whose reading ended without an answer: {end}. "
            "Check it with the program that wrote it, or send it as CSV."
        )
        error = FieldError(loc=("file",), msg=detail)
        raise UnreadableFile(detail, errors=[error]) from end


def parse_builtin(
    request: BuiltinRequest, target_dir: Path, limits: ReadLimits = DEFAULT_LIMITS
) -> Ingested:
    """Put a dataset that a library ships into the datasets' folder `target_dir`.

    Raises:
        InvalidSpec: the set has no such part.
        Unavailable: it cannot be downloaded, or its child ended without an answer.
    """
    try:
        return _parsed(target_dir, limits, builtin=request)
    except _Ended as end:
        detail = f"Expected the dataset '{request.builtin}'. Its reading ended: {end}. Try again."
        raise Unavailable(detail) from end


class _Ended(Exception):
    """The child ended without an answer; the message says how."""


def _parsed(
    target_dir: Path,
    limits: ReadLimits,
    *,
    upload: Path | None = None,
    options: ReadOptions | None = None,
    builtin: BuiltinRequest | None = None,
) -> Ingested:
    datasets = target_dir.absolute()
    scratch = datasets / "tmp" / uuid.uuid4().hex
    scratch.mkdir(parents=True)
    request = ParseRequest(
        parent=os.getpid(),
        datasets=datasets,
        scratch=scratch,
        limits=limits,
        upload=upload,
        options=options,
        builtin=builtin,
    )
    try:
        _run(request)
        answer = ParseAnswer.model_validate_json((scratch / ANSWER).read_bytes())
    finally:
        # Whatever a child that was killed left half done.
        shutil.rmtree(scratch, ignore_errors=True)
    if answer.ingested is None:
        raise _error(answer)
    return answer.ingested


def _run(request: ParseRequest) -> None:
    said = request.scratch / "stderr"
    with said.open("wb") as stderr:
        child = subprocess.Popen(
            # -P: a folder called `service` in the current directory is not ours.
            [sys.executable, "-P", "-m", "service.executors.parse_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=_environment(),
        )
        with child:
            try:
                child.communicate(request.model_dump_json().encode(), request.limits.seconds)
            except subprocess.TimeoutExpired as error:
                raise _Ended(f"it took more than {request.limits.seconds:g} seconds") from error
            finally:
                child.kill()
    if child.returncode != 0:
        log.warning("parse child ended with %s: %s", child.returncode, _last_words(said))
        raise _Ended(_how(child.returncode))


def _environment() -> dict[str, str]:
    """Return the child's environment: this one, so that both run the same code, and its backend.

    `keras.datasets` comes with all of Keras, which starts in half the time without TensorFlow; but
    its numpy backend imports JAX, which is an extra of ours.
    """
    path = os.pathsep.join(entry for entry in sys.path if entry)
    backend = "tensorflow" if find_spec("jax") is None else "numpy"
    return {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": backend}


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _last_words(said: Path) -> str:
    return said.read_bytes()[-2000:].decode("utf-8", "replace")


def _error(answer: ParseAnswer) -> FitpointError:
    return from_stored(answer.error or {"code": "internal", "detail": "The child said nothing."})
