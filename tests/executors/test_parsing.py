"""Uploads are read in a child: what it says comes across, and what kills it kills nobody else."""

from __future__ import annotations

import gzip
import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.domain.datasets import BuiltinRequest, ReadLimits, ReadOptions
from service.domain.errors import InvalidSpec, TooLarge, Unavailable, UnreadableFile
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
from service.executors.parsing import parse_builtin, parse_upload

OPTIONS = ReadOptions()


@pytest.fixture
def upload(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(data: bytes) -> Path:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return path

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_child_stores_what_this_process_would(
    upload: Callable[[bytes], Path], folder: Path, tmp_path: Path
) -> None:
    source = upload(b"y,x\na,1\nb,2.5\nNA,3\n")
    options = ReadOptions.model_validate({"columns": {"y": {"type": "factor"}}})
    stored = parse_upload(source, folder, options, ReadLimits())
    assert stored == ingest(source, tmp_path / "here", options)
    assert stored.columns[0].levels == ("a", "b")
    assert _files(folder) == [folder / stored.path]
    assert list((folder / "tmp").iterdir()) == []


def test_a_relative_folder_is_relative_to_this_process(
    upload: Callable[[bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(b"x\n1\n")
    monkeypatch.chdir(tmp_path)
    stored = parse_upload(Path("upload"), Path("datasets"), OPTIONS)
    assert (tmp_path / "datasets" / stored.path).is_file()


def test_errors_come_across_as_they_were_raised(
    upload: Callable[[bytes], Path], folder: Path
) -> None:
    with pytest.raises(UnreadableFile) as unreadable:
        parse_upload(upload(b"a,b\n1,2\n3\n"), folder, OPTIONS)
    assert unreadable.value.errors[0].loc == ("file", "line", 3, "column", 2)
    options = ReadOptions.model_validate({"columns": {"bb": {"type": "text"}}})
    with pytest.raises(InvalidSpec, match="Received 'bb'"):
        parse_upload(upload(b"a,b\n1,2\n"), folder, options)
    with pytest.raises(TooLarge, match="at most 1 rows"):
        parse_upload(upload(b"a,b\n1,2\n3,4\n"), folder, OPTIONS, ReadLimits(max_rows=1))
    assert _files(folder) == []


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that nobody writes: opening it waits for ever."""
    path = tmp_path / "endless"
    os.mkfifo(path)
    return path


def test_a_reading_that_takes_too_long_is_ended(endless: Path, folder: Path) -> None:
    with pytest.raises(UnreadableFile, match="more than 1 seconds"):
        parse_upload(endless, folder, OPTIONS, ReadLimits(seconds=1))
    assert _files(folder) == []
    assert _children() == set()


def _children() -> set[int]:
    return {
        int(child)
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text().split()
    }


@pytest.mark.parametrize("sent", [signal.SIGSEGV, signal.SIGKILL])
def test_the_death_of_the_child_is_an_unreadable_file(
    endless: Path, folder: Path, sent: signal.Signals
) -> None:
    before = _children()

    def kill() -> None:
        # The child exists once its scratch folder does and the kernel lists it.
        while not (born := _children() - before):
            pass
        for child in born:
            os.kill(child, sent)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UnreadableFile, match=f"signal {sent.name}") as caught:
        parse_upload(endless, folder, OPTIONS)
    killer.join()
    assert caught.value.errors[0].loc == ("file",)
    assert _files(folder) == []
    assert list((folder / "tmp").iterdir()) == []


def test_a_table_that_outgrows_the_memory_is_refused(
    upload: Callable[[bytes], Path], folder: Path
) -> None:
    zeros = pa.table({"z": np.zeros(2**27)})
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, zeros.schema, options=options) as writer:
        writer.write_table(zeros)
    assert len(sink.getvalue()) < 2**20
    limits = ReadLimits(memory_bytes=2**29, max_rows=2**28)
    with pytest.raises((TooLarge, UnreadableFile)):
        parse_upload(upload(sink.getvalue()), folder, OPTIONS, limits)
    assert _files(folder) == []


MEASURED = """
import resource, sys, time
from pathlib import Path
from service.domain.datasets import ReadOptions
from service.domain.errors import FitpointError
from service.executors.parsing import parse_upload
start = time.perf_counter()
try:
    parse_upload(Path(sys.argv[1]), Path(sys.argv[2]), ReadOptions())
except FitpointError as error:
    seconds = time.perf_counter() - start
    print(error.code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, seconds)
"""


def _parquet_bomb() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": pa.nulls(100_000_000)}), sink, row_group_size=100_000_000)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_parquet_bomb, "too-large"),
        (lambda: b"x" * 2**28, "unreadable-file"),
        (lambda: b"a,b\n" + b'1,"2\n' + b"1,2\n" * 2**25, "unreadable-file"),
        (lambda: b",".join(b"c%d" % at for at in range(100_000)) + b"\n1\n", "unreadable-file"),
    ],
    ids=["parquet-rows", "one-line", "unclosed-quote", "columns"],
)
def test_a_bomb_costs_the_child_little(
    upload: Callable[[bytes], Path], folder: Path, make: Callable[[], bytes], code: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(upload(make())), str(folder)],
        capture_output=True, text=True, timeout=19, check=True,
    )  # fmt: skip
    said, megabytes, seconds = done.stdout.split()
    assert said == code
    assert int(megabytes) < 300
    # About half a second alone; a busy machine may take its time.
    assert float(seconds) < 10
    assert _files(folder) == []


HURT = """
import pathlib, random, sys
from service.domain.datasets import ReadOptions
from service.domain.errors import FitpointError
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
source, folder, seed, first, last = pathlib.Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
whole = source.read_bytes()
for at in range(first, last):
    rng = random.Random(seed * 1_000_003 + at)
    hurt = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        hurt[rng.randrange(len(hurt))] = rng.randrange(256)
    path = source.with_suffix(f".{seed}.{at}")
    path.write_bytes(hurt)
    try:
        ingest(path, pathlib.Path(folder), ReadOptions())
        print(at, "read", flush=True)
    except FitpointError as error:
        print(at, error.code, flush=True)
    path.unlink()
"""


@pytest.mark.parametrize(("seed", "compression"), [(1, "snappy"), (2, "none"), (3, "zstd")])
def test_parquet_with_changed_bytes_is_read_or_refused_and_a_crash_stays_in_the_child(
    upload: Callable[[bytes], Path], folder: Path, seed: int, compression: str
) -> None:
    rng = np.random.default_rng(seed)
    table = pa.table(
        {
            "i": rng.integers(0, 9, 300),
            "f": pa.array(rng.normal(size=300), mask=rng.random(300) < 0.2),
            "s": [random.Random(at).choice(["abc", "ü", ""]) for at in range(300)],
            "d": pa.array(["u", "v", None] * 100).dictionary_encode(),
            "b": rng.random(300) < 0.5,
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=compression, row_group_size=100)
    source = upload(sink.getvalue())
    found: dict[int, str] = {}
    first, last = 0, 150
    while first < last:
        # One process for many files; after a crash, another one goes on behind it.
        arguments = [str(source), str(folder), str(seed), str(first), str(last)]
        done = subprocess.run(
            [sys.executable, "-c", HURT, *arguments],
            capture_output=True, text=True, timeout=18, check=False,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            at, outcome = line.split()
            found[int(at)] = outcome
        first = max(found, default=first - 1) + 1
        if done.returncode != 0:
            crashed = source.with_suffix(f".{seed}.{first}")
            with pytest.raises((UnreadableFile, TooLarge)):
                parse_upload(crashed, folder, OPTIONS)
            found[first] = "crashed"
            first += 1
    assert len(found) == last
    assert set(found.values()) <= {"read", "unreadable-file", "too-large", "crashed"}
    assert "unreadable-file" in found.values()
    assert {path.suffix for path in _files(folder)} <= {".arrow"}


def test_the_child_starts_with_little(upload: Callable[[bytes], Path], folder: Path) -> None:
    program = (
        "import sys, service.executors.parsing\n"
        "heavy = {'numpy', 'pyarrow', 'pandas', 'sklearn', 'keras', 'tensorflow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import service.executors.answering as child\n"
        "child.hide_pandas()\n"
        "from service.engine.tables.ingest import ingest\n"
        "from pathlib import Path\n"
        "from service.domain.datasets import ReadOptions\n"
        f"ingest(Path({str(upload(b'x,y' + bytes([10]) + b'1,a'))!r}), Path({str(folder)!r}),"
        " ReadOptions())\n"
        "found = (heavy - {'numpy', 'pyarrow'}) & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == 0, done.stderr


def _builtin(name: str, part: str = "train") -> BuiltinRequest:
    return BuiltinRequest.model_validate({"name": name, "builtin": name, "part": part})


def test_a_builtin_dataset_comes_through_the_child(folder: Path) -> None:
    stored = parse_builtin(_builtin("digits", "test"), folder)
    assert (stored.n_rows, len(stored.columns)) == (360, 65)
    assert _files(folder) == [folder / stored.path]
    with pytest.raises(InvalidSpec, match="has no parts"):
        parse_builtin(_builtin("iris", "test"), folder)


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of Keras, and a network that leads nowhere."""
    home = tmp_path / "keras"
    (home / "datasets").mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(home))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    return home


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_an_image_set_comes_from_the_cache_of_keras(keras_home: Path, folder: Path) -> None:
    # Keras knows the sha256 of MNIST's file, but takes these four as they lie in its cache.
    rng = np.random.default_rng(6)
    cache = keras_home / "datasets" / "fashion-mnist"
    cache.mkdir()
    for part, n in (("train", 12), ("t10k", 7)):
        labels = rng.integers(0, 10, n, np.uint8)
        pixels = rng.integers(0, 256, (n, 784), np.uint8)
        (cache / f"{part}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(bytes(8) + labels.tobytes())
        )
        (cache / f"{part}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(bytes(16) + pixels.tobytes())
        )
    stored = parse_builtin(_builtin("fashion_mnist", "test"), folder)
    table = Table.open(folder / stored.path)
    assert list(table.types) == ["y", *(f"x{pixel}" for pixel in range(1, 785))]
    assert table.levels("y") == tuple("0123456789")
    np.testing.assert_array_equal(table.codes("y"), labels)
    found = np.stack([table.numeric(f"x{pixel}") for pixel in range(1, 785)], axis=1)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.usefixtures("keras_home")
def test_a_set_that_cannot_be_downloaded_is_unavailable(folder: Path) -> None:
    with pytest.raises(Unavailable, match="'fashion_mnist' in the cache of Keras or a network"):
        parse_builtin(_builtin("fashion_mnist"), folder)
    assert _files(folder) == []
