"""A look in a child: the same bytes as here, bounded in time, and nothing of it left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidSpec, TooLarge, Unavailable
from service.engine.looks import QUICK_ROWS, Look, look
from service.engine.tables.ingest import ingest
from service.engine.tables.profile import profile
from service.engine.tables.table import Table
from service.executors.looking import look_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A canonical file with numbers, gaps and text; more distinct numbers than can be counted."""
    source = tmp_path / "t.csv"
    source.write_text(
        "a,b,t\n" + "".join(f"{i % 9},{i * i},{'uv'[i % 2]}\n" for i in range(10_001))
    )
    return tmp_path / ingest(source, tmp_path, ReadOptions()).path


def test_a_child_answers_as_this_process_does(path: Path, tmp_path: Path) -> None:
    table = Table.open(path)
    profiles = {column.name: column for column in profile(table)}
    for asked in (
        Look(what="tab", columns=("t",), by="a", sort=True),
        Look(what="distribution", columns=("b",), profile=profiles["b"], bins=7),
        Look(what="distribution", columns=("t",), profile=profiles["t"], fmt="png"),
        Look(what="correlation", columns=("a", "b")),
        Look(what="correlation", columns=("a", "b"), title="r", fmt="svg"),
    ):
        assert look_at(path, asked, tmp_path) == look(table, asked)
    assert list(tmp_path.glob("look-*")) == []


def test_errors_come_across(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="10,000 values") as caught:
        look_at(path, Look(what="tab", columns=("b",)), tmp_path)
    assert caught.value.errors[0].loc == ("column",)
    with pytest.raises(Unavailable):
        look_at(tmp_path / "gone.arrow", Look(what="tab", columns=("b",)), tmp_path)


def test_a_look_that_takes_too_long_is_ended(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match=r"at most 0\.01 seconds.*fewer columns"):
        look_at(path, Look(what="tab", columns=("t",)), tmp_path, seconds=0.01)
    assert list(tmp_path.glob("look-*")) == []


def test_what_is_quick_grows_with_rows_and_with_pairs_of_columns() -> None:
    one, many = ("x",), tuple(f"x{i}" for i in range(1000))
    assert Look(what="tab", columns=one).is_quick(QUICK_ROWS)
    assert not Look(what="distribution", columns=one).is_quick(QUICK_ROWS + 1)
    assert Look(what="correlation", columns=many).is_quick(1000)
    assert not Look(what="correlation", columns=many).is_quick(1001)
