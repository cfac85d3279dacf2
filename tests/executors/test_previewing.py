"""The child that prepares a recipe: what crosses back, and what happens when nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidSpec, TooLarge, Unavailable
from service.domain.recipe import Select, Step, ZeroVariance
from service.domain.roles import PreviewSpec
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
from service.executors.previewing import preview_recipe


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A canonical file with y, a and a constant."""
    source = tmp_path / "t.csv"
    source.write_text("y,a,zero\n" + "".join(f"{i % 2},{i},7\n" for i in range(20)))
    return tmp_path / ingest(source, tmp_path, ReadOptions()).path


def spec(*steps: Step) -> PreviewSpec:
    return PreviewSpec(outcome="y", recipe=[*steps], count=1)


def test_the_engines_answer_crosses_the_border(table: Path) -> None:
    told = preview_recipe(spec(ZeroVariance(step="zv")), table, table)
    assert told["training"] == told["new_data"]
    assert told["training"]["rows"] == [{"a": 0, "y": 0}]


def test_an_error_crosses_with_its_type_and_its_place(table: Path) -> None:
    with pytest.raises(InvalidSpec) as caught:
        preview_recipe(spec(Select(step="select", columns="b")), table, None)
    assert caught.value.errors[0].loc == ("recipe", 0, "columns")


def test_a_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        preview_recipe(spec(), tmp_path / "gone.arrow", None)


def test_a_child_that_crashes_is_unavailable_and_not_an_empty_answer(tmp_path: Path) -> None:
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(b"no Arrow file at all")
    with pytest.raises(Unavailable):
        preview_recipe(spec(), broken, None)


def test_a_child_that_takes_too_long_is_ended(table: Path) -> None:
    with pytest.raises(TooLarge, match=r"0\.001 seconds"):
        preview_recipe(spec(), table, None, seconds=0.001)


def test_the_baked_table_is_written_where_asked(table: Path, tmp_path: Path) -> None:
    asked = spec(ZeroVariance(step="zv")).model_copy(update={"id": "a"})
    told = preview_recipe(asked, table, None, written=tmp_path / "baked.arrow")
    written = Table.open(tmp_path / "baked.arrow")
    assert dict(written.types) == {"a": "numeric", "y": "numeric"}
    assert written.records(1, 1) == told["training"]["rows"]
