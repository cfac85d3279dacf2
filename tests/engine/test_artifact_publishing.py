"""Publishing: whole or not at all, whatever is killed when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.domain.errors import Unavailable
from service.engine.artifact import publish, read, write
from tests.engine.fitted_models import fitted_model

# Writes and publishes an artifact, and kills itself with SIGKILL just before the n-th call that
# makes something durable or visible.
CHILD = """
import os, signal, sys
from pathlib import Path
kill_at, calls = int(sys.argv[1]), 0

def counted(call):
    def wrapper(*args, **kwargs):
        global calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapper

from service.engine.artifact import publish, write
from tests.engine.fitted_models import fitted_model
for name in ("fsync", "rename", "mkdir", "rmdir", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
root, staging = Path(sys.argv[2]), Path(sys.argv[3])
write(staging, fitted_model())
publish(staging, root)
print(calls)
"""


def run_child(kill_at: int, root: Path, staging: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(kill_at), str(root), str(staging)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def published(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("artifacts/*/*/manifest.json"))


def test_published_under_its_name_and_staging_is_gone(tmp_path: Path) -> None:
    root, staging = tmp_path / "root", tmp_path / "root" / "staging" / "job.1"
    name = write(staging, fitted_model())
    assert publish(staging, root) == (f"artifacts/{name[:2]}/{name}", name)
    assert read(root / "artifacts" / name[:2] / name, name).outcomes == ("y",)
    assert not staging.exists()


def test_publishing_the_same_content_again_gives_the_same_answer(tmp_path: Path) -> None:
    answers = []
    for attempt in ("job.1", "job.2"):
        write(tmp_path / attempt, fitted_model())
        answers.append(publish(tmp_path / attempt, tmp_path / "root"))
        assert not (tmp_path / attempt).exists()
    assert answers[0] == answers[1]
    assert len(published(tmp_path / "root")) == 1


def test_many_at_once_publish_one(tmp_path: Path) -> None:
    attempts = [tmp_path / f"job.{token}" for token in range(8)]
    for attempt in attempts:
        write(attempt, fitted_model())
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda attempt: publish(attempt, tmp_path / "root"), attempts))
    ((path, name),) = answers
    assert read(tmp_path / "root" / path, name).mode == "classification"
    assert len(published(tmp_path / "root")) == 1
    assert not any(attempt.exists() for attempt in attempts)


def test_a_damaged_copy_is_replaced_and_kept_aside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for attempt in ("job.1", "job.2", "job.3"):
        write(tmp_path / attempt, fitted_model())
        path, name = publish(tmp_path / attempt, root)
        assert read(root / path, name).levels == ("a", "b", "c")
        (root / path / "weights.npz").write_bytes(b"torn")
    assert [path.suffix for path in published(root)] == ["", ".damaged"]


@pytest.mark.parametrize("harm", ["truncate", "remove", "add", "no manifest"])
def test_staging_that_is_not_what_was_written_is_not_published(tmp_path: Path, harm: str) -> None:
    staging = tmp_path / "job.1"
    write(staging, fitted_model())
    match harm:
        case "truncate":
            (staging / "weights.npz").write_bytes(b"")
        case "remove":
            (staging / "recipe.json").unlink()
        case "add":
            (staging / "pickle.pkl").write_bytes(b"x")
        case _:
            (staging / "manifest.json").unlink()
    with pytest.raises(Unavailable):
        publish(staging, tmp_path / "root")
    assert published(tmp_path / "root") == []


def test_another_file_system_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system to publish to")
    staging = tmp_path / "job.1"
    name = write(staging, fitted_model())
    root = shm / f"fitpoint-test-{os.getpid()}"
    try:
        with pytest.raises(OSError, match="cross-device"):
            publish(staging, root)
        assert published(root) == []
        assert read(staging, name).outcomes == ("y",)
    finally:
        subprocess.run(["rm", "-r", str(root)], check=True)


# More steps than a first publication has, and one whose content is there already; how many calls
# of mkdir and unlink the standard library makes differs between versions of Python.
FIRST, AGAIN = 22, 30


def killed_or_done(kill_at: int, root: Path) -> None:
    child = run_child(kill_at, root, root / "staging" / "job.1")
    if child.returncode == 0:
        assert kill_at > int(child.stdout)
    else:
        assert child.returncode == -signal.SIGKILL, child.stderr


def recovers(root: Path) -> None:
    """Check that the place holds the whole artifact or none, and that a second attempt completes.

    The next attempt has another token and so another staging directory.
    """
    for place in published(root):
        assert read(place, place.name).levels == ("a", "b", "c")
    again = root / "staging" / "job.2"
    name = write(again, fitted_model())
    relative, sha256 = publish(again, root)
    assert sha256 == name
    assert read(root / relative, name).levels == ("a", "b", "c")
    assert len(published(root)) == 1


@pytest.mark.parametrize("kill_at", range(1, FIRST))
def test_a_kill_at_any_step_leaves_the_whole_artifact_or_none(tmp_path: Path, kill_at: int) -> None:
    killed_or_done(kill_at, tmp_path)
    recovers(tmp_path)


@pytest.mark.parametrize("kill_at", range(17, AGAIN, 2))
def test_a_kill_while_staging_is_removed_keeps_the_copy_that_is_there(
    tmp_path: Path, kill_at: int
) -> None:
    write(tmp_path / "job.0", fitted_model())
    relative, name = publish(tmp_path / "job.0", tmp_path)
    killed_or_done(kill_at, tmp_path)
    assert read(tmp_path / relative, name).levels == ("a", "b", "c")
    recovers(tmp_path)


def test_the_kills_above_reach_every_step(tmp_path: Path) -> None:
    for token, most in ((1, FIRST), (2, AGAIN)):
        done = run_child(0, tmp_path, tmp_path / "staging" / f"job.{token}")
        assert 17 < int(done.stdout) < most, done.stderr
