"""Uploads and built-in datasets are read in a child of their own: a bad file fells nobody else."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from service.domain.datasets import (
    BuiltinRequest,
    ColumnOptions,
    Ingested,
    ReadLimits,
    ReadOptions,
)
from service.domain.errors import FieldError, NoSpace, Unavailable, UnreadableFile, is_disk_full
from service.executors.asking import Ended, ask
from service.executors.parse_child import ParseRequest

DEFAULT_LIMITS = ReadLimits()
CHILD = "service.executors.parse_child"
_NOTHING: Mapping[str, ColumnOptions] = {}


def parse_upload(
    source: Path,
    target_dir: Path,
    options: ReadOptions,
    limits: ReadLimits = DEFAULT_LIMITS,
    *,
    as_in: Mapping[str, ColumnOptions] = _NOTHING,
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
        with scratch_folder(target_dir) as (datasets, scratch):
            request = ParseRequest(
                datasets=datasets,
                scratch=scratch,
                limits=limits,
                upload=source.absolute(),
                options=options,
                as_in=dict(as_in),
            )
            return Ingested.model_validate(ask(CHILD, request, limits.seconds))
    except Ended as end:
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
    # `keras.datasets` comes with all of Keras, which starts in half the time without TensorFlow;
    # but its numpy backend imports JAX, which is an extra of ours.
    backend = "tensorflow" if find_spec("jax") is None else "numpy"
    try:
        with scratch_folder(target_dir) as (datasets, scratch):
            wanted = ParseRequest(
                datasets=datasets, scratch=scratch, limits=limits, builtin=request
            )
            told = ask(CHILD, wanted, limits.seconds, {"KERAS_BACKEND": backend})
            return Ingested.model_validate(told)
    except Ended as end:
        detail = f"Expected the dataset '{request.builtin}'. Its reading ended: {end}. Try again."
        raise Unavailable(detail) from end


@contextmanager
def scratch_folder(target_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the absolute folder of datasets and a new folder in it, gone afterwards.

    Whatever a child that was killed left half done goes with it.

    Raises:
        Unavailable: no folder can be made there.
    """
    datasets = target_dir.absolute()
    scratch = datasets / "tmp" / uuid.uuid4().hex
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        kind = NoSpace if is_disk_full(error) else Unavailable
        raise kind(
            f"Expected a storage folder that takes a table. It does not: {error.strerror}."
        ) from error
    try:
        yield datasets, scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
