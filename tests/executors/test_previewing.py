"""The child that prepares a recipe: what crosses back, and what happens when nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidSpec, TooLarge, Unavailable
from service.domain.recipe import Select, ZeroVariance
from service.engine.tables.ingest import ingest
from service.executors.previewing import preview_recipe


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A canonical file with y, a and a constant."""
    source = tmp_path / "t.csv"
    source.write_text("y,a,zero\n" + "".join(f"{i % 2},{i},7\n" for i in range(20)))
    return tmp_path / ingest(source, tmp_path, ReadOptions()).path


def test_the_engines_answer_crosses_the_border(table: Path) -> None:
    told = preview_recipe([ZeroVariance(step="zv")], table, table, ["y"], 1)
    assert told["training"] == told["new_data"]
    assert told["training"]["rows"] == [{"a": 0, "y": 0}]


def test_an_error_crosses_with_its_type_and_its_place(table: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        preview_recipe([Select(step="select", columns="b")], table, None, ["y"], 1)
    assert caught.value.errors[0].loc == ("recipe", 0, "columns")


def test_a_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        preview_recipe([], tmp_path / "gone.arrow", None, ["y"], 1)


def test_a_child_that_crashes_is_unavailable_and_not_an_empty_answer(tmp_path: Path) -> None:
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(b"no Arrow file at all")
    with pytest.raises(Unavailable):
        preview_recipe([], broken, None, ["y"], 1)


def test_a_child_that_takes_too_long_is_ended(table: Path) -> None:
    with pytest.raises(TooLarge, match=r"0\.001 seconds"):
        preview_recipe([], table, None, ["y"], 1, seconds=0.001)
