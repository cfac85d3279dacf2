"""`fitpoint demo` from the outside: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import clean_environment, is_running, until

PNG = b"\x89PNG\r\n\x1a\n"


def demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a demo in `folder`, whose temporary files lie below it too."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "service", "demo", *arguments],
        cwd=folder,
        env=clean_environment(TMPDIR=str(temporary), COLUMNS="120"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def finished(folder: Path, *arguments: str) -> str:
    with demo(folder, *arguments) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert list((folder / "tmp").glob("fitpoint-demo-*")) == []
    return output


@pytest.mark.timeout(900)
def test_the_walk_on_digits_learns_and_leaves_pictures(tmp_path: Path) -> None:
    output = finished(tmp_path)
    table = output.partition("The chapter's table")[2]
    rows = dict(re.findall(r"│ ([^│]+?) +│ +(0\.\d{4}) │", table))
    assert len(rows) == 8
    # Chance is a tenth; 360 rows from a second writing of the digits leave some points of noise.
    assert float(rows["30 relu units"]) > 0.85
    assert "stopped at" in output
    pictures = tmp_path / "fitpoint-demo"
    assert (pictures / "digit.png").read_bytes().startswith(PNG)
    assert (pictures / "history.png").read_bytes().startswith(PNG)
    for name in ("bar.svg", "history.svg"):
        assert "<svg" in (pictures / name).read_text()
    for path in pictures.iterdir():
        assert str(path) in output


@pytest.fixture
def own_files(tmp_path: Path) -> tuple[str, ...]:
    """Arguments that name two small files of a person's own."""
    lines = [f"{at},{at % 7},{'yes' if at % 3 else 'no'},{at % 2}" for at in range(200)]
    for name, part in (("train.csv", lines[:150]), ("test.csv", lines[150:])):
        (tmp_path / name).write_text("\n".join(["a,b,word,answer", *part, ""]))
    return ("--train", "train.csv", "--test", "test.csv", "--outcome")


@pytest.mark.timeout(900)
def test_few_whole_values_of_a_persons_own_file_are_taken_for_classes(
    tmp_path: Path, own_files: tuple[str, ...]
) -> None:
    output = finished(tmp_path, *own_files, "answer")
    assert "declared a factor: 0, 1" in output
    assert "Left out for not numeric: word" in output
    assert "test accuracy" in output


@pytest.mark.timeout(900)
def test_many_numbers_of_a_persons_own_file_are_a_regression(
    tmp_path: Path, own_files: tuple[str, ...]
) -> None:
    output = finished(tmp_path, *own_files, "a")
    assert "so this is a regression" in output
    assert "test rmse" in output


@pytest.mark.timeout(120)
def test_an_outcome_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    arguments = ("--train", "t.csv", "--test", "t.csv", "--outcome", "c")
    with demo(tmp_path, *arguments) as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert "Received 'c'" in output
    assert "Traceback" not in output


@pytest.mark.timeout(120)
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Fits"):
                break
        children = _descendants(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert "Interrupted" in output
    until(lambda: not any(is_running(pid) for pid in children), 10)
    assert list((tmp_path / "tmp").glob("fitpoint-demo-*")) == []


def _descendants(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                stat = Path(entry.path, "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} | found
        if more == found:
            return found - {root}
        found = more
