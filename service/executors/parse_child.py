"""The child that parses what clients send; `service.executors.parsing` asks it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pydantic import Field

from service.domain.datasets import BuiltinRequest, ColumnOptions, Ingested, ReadLimits, ReadOptions
from service.domain.schema import Value
from service.executors.answering import answer, hide_pandas


class ParseRequest(Value):
    """What the child is to read: an upload with its options, or a built-in dataset."""

    datasets: Path
    scratch: Path
    limits: ReadLimits
    upload: Path | None = None
    options: ReadOptions | None = None
    as_in: dict[str, ColumnOptions] = Field(default_factory=dict)
    builtin: BuiltinRequest | None = None


def main() -> None:
    """Answer one `ParseRequest` with an `Ingested`."""
    answer(
        ParseRequest,
        lambda request: _done(request).model_dump(mode="json"),
        _over,
        needs_network=lambda request: request.builtin is not None,
    )


def _over(request: ParseRequest) -> str:
    megabytes = request.limits.memory_bytes // 2**20
    return f"Expected a table that is read in {megabytes} MB of memory. It needs more."


def _done(request: ParseRequest) -> Ingested:
    if request.builtin is not None:
        from service.engine.tables.ingest import ingest_builtin

        return ingest_builtin(request.builtin, request.datasets, scratch=request.scratch)
    if request.upload is None or request.options is None:
        raise ValueError(f"Expected an upload with options or a built-in. Received {request}.")
    hide_pandas()
    from service.engine.tables.ingest import ingest

    limit(request.limits, request.upload.stat().st_size)
    return ingest(
        request.upload,
        request.datasets,
        request.options,
        limits=request.limits,
        scratch=request.scratch,
        as_in=request.as_in,
    )


def limit(limits: ReadLimits, upload_bytes: int) -> None:
    """Bound what a hostile file can take: address space, processor time, and no core dump."""
    if sys.platform == "win32":
        return
    import resource

    # The canonical file is mapped while it is profiled. A cell of one byte, an empty one, can
    # become a double and its bit of validity; text is at most a hundred times the upload.
    mapped = 9 * min(limits.max_bytes, 100 * upload_bytes)
    _lower(resource.RLIMIT_AS, _address_space() + limits.memory_bytes + mapped)
    # Seconds of the wall on every core that the child may use.
    _lower(resource.RLIMIT_CPU, int(limits.seconds * (os.cpu_count() or 1)) + 1)
    _lower(resource.RLIMIT_CORE, 0)


def _address_space() -> int:
    """Return the bytes of address space that the interpreter and its libraries take already."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _lower(which: int, value: int) -> None:
    import resource

    _, hard = resource.getrlimit(which)
    if hard == resource.RLIM_INFINITY or value < hard:
        resource.setrlimit(which, (value, value))


if __name__ == "__main__":
    main()
