"""`fitpoint bake`: the preview on the command line, without a server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from service.__main__ import app
from service.domain.datasets import ReadOptions
from service.engine.tables.ingest import ingest
from service.engine.tables.table import Table
from tests.acceptance.running import clean_environment
from tests.api.conftest import Uploads

TRAINING = "id,y,a,b,when\n" + "".join(
    f"{'r' if i else '='}{i},{'no' if i % 3 else 'yes'},{i},{'uvw'[i % 3]},2020-01-{i + 1:02}\n"
    for i in range(12)
)
# A level that the training rows did not have, gaps, and no outcome.
NEW = "b,a,when,id\nx,NA,2021-03-04,n1\nNA,5.5,NA,n2\n"
OPTIONS = {
    "columns": {
        "y": {"type": "factor", "levels": ["no", "yes"]},
        "b": {"type": "factor"},
        "when": {"type": "date"},
    }
}
RECIPE: list[dict[str, Any]] = [
    {"step": "impute_mean", "columns": "a"},
    {"step": "novel"},
    {"step": "unknown"},
    {"step": "dummy"},
    {"step": "normalize", "columns": "a"},
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    """A training file, new data and a recipe."""
    for name, text in (("t.csv", TRAINING), ("n.csv", NEW), ("r.json", json.dumps(RECIPE))):
        (tmp_path / name).write_text(text)
    return str(tmp_path / "t.csv"), str(tmp_path / "n.csv"), str(tmp_path / "r.json")


def bake(*arguments: str) -> tuple[int, str, str]:
    got = CliRunner().invoke(app, ["bake", *arguments])
    return got.exit_code, got.stdout, got.stderr


def usual(files: tuple[str, str, str]) -> list[str]:
    training, new, recipe = files
    said = ["--outcome", "y", "--id", "id", "--options", json.dumps(OPTIONS), "--recipe", recipe]
    return [training, new, *said]


def test_it_says_what_the_service_says(
    files: tuple[str, str, str], client: TestClient, upload: Uploads
) -> None:
    training, _, recipe = files
    told = bake(training, "--outcome", "y", "--recipe", recipe, "--count", "3", "--json",
                "--options", json.dumps(OPTIONS), "--id", "id")  # fmt: skip
    assert upload("t", TRAINING, OPTIONS).status_code == 201
    body = {"training": "t", "outcome": "y", "id": "id", "recipe": RECIPE, "count": 3}
    asked = client.post("/v1/recipes/preview", json=body)
    assert told[0] == 0, told
    assert json.loads(told[1]) == asked.json()


@pytest.mark.parametrize("name", ["b.csv", "b.csv.gz", "b.parquet", "b.arrow"])
def test_the_baked_table_reads_back(files: tuple[str, str, str], tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    status, said, wrong = bake(*usual(files), "-o", str(output), "--json")
    assert status == 0, wrong
    rows = json.loads(said)["new_data"]["rows"]
    assert [row["b_new"] for row in rows] == [1, 0]
    assert [row["b_unknown"] for row in rows] == [0, 1]
    assert [row["a"] for row in rows] == [0, 0]
    assert [row["when"] for row in rows] == ["2021-03-04", None]
    text = name.startswith("b.csv")
    options = {"columns": {"when": {"type": "date"}}} if text else {}
    made = ingest(output, tmp_path / "read", ReadOptions.model_validate(options))
    read = Table.open(tmp_path / "read" / made.path)
    assert read.records(1, 2) == rows
    assert list(read.types) == ["id", "a", "when", "b_v", "b_w", "b_new", "b_unknown"]
    # Nothing else is left beside it.
    assert {path.name for path in tmp_path.iterdir()} == {name, "t.csv", "n.csv", "r.json", "read"}


def test_the_training_rows_are_written_where_there_are_no_new_ones(
    files: tuple[str, str, str], tmp_path: Path
) -> None:
    training, _, recipe = files
    output = tmp_path / "b.csv"
    arguments = [training, "--outcome", "y", "--id", "id", "--recipe", recipe, "-o", str(output)]
    status, said, _ = bake(*arguments)
    assert (status, said) == (0, f"12 rows, 20 columns written: {output}\n")
    # An id that a spreadsheet would run is made harmless, unless it is to be kept.
    assert '"\'=0"' in output.read_text()
    assert bake(*arguments, "--formulas", "keep")[0] == 0
    assert '"=0"' in output.read_text()


def test_the_report_names_steps_columns_and_what_is_gone(files: tuple[str, str, str]) -> None:
    status, said, _ = bake(*usual(files))
    assert status == 0
    for words in ("Recipe: 5 steps", "impute_mean", "b_unknown", "Removed: 1",
                  "Training: 12 rows, 8 columns", "New data: 2 rows, 7 columns",
                  "2020-01-01, 2020-01-02", "2 levels"):  # fmt: skip
        assert words in said
    assert max(map(len, said.splitlines())) <= 120


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--outcome", "z"], "Received 'z'"),
        (["--id", "y"], "'y', the outcome"),
        (["--case-weights", "b"], "which is text"),
        (["--case-weights", "bb"], "Did you mean 'b'?"),
        (["--recipe", '[{"step": "normalise"}]'], "Did you mean 'normalize'?"),
        (["--recipe", '[{"step": "remove", "columns": "q"}]'], "'q'"),
        (["--recipe", "nowhere.json"], "No such file"),
        (["--recipe", '{"steps": []}'], "recipe"),
        (["--options", '{"delimiter": ";"}'], "Did you mean 'delim'?"),
        (["--options", '{"columns": {"q": {"type": "text"}}}'], "'q'"),
        (["--output", "baked.xlsx"], ".parquet"),
        (["--output", "no/such/folder/baked.csv"], "folder that exists"),
        (["--outcome", ""], "at least 1 character"),
    ],
)
def test_misuse_exits_with_2_and_says_what_was_expected(
    files: tuple[str, str, str], change: list[str], says: str
) -> None:
    status, said, wrong = bake(files[0], "--outcome", "y", *change)
    assert (status, said) == (2, "")
    assert says in wrong


@pytest.mark.parametrize(
    "arguments",
    [[], ["{t}"], ["missing.csv", "--outcome", "y"], ["{t}", "--outcome", "y", "--count", "-1"],
     ["{t}", "--outcome", "y", "--formulas", "run"], ["{t}", "--outcome", "y", "--recipes", "x"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_words_exit_with_2(files: tuple[str, str, str], arguments: list[str]) -> None:
    status, said, wrong = bake(*(word.format(t=files[0]) for word in arguments))
    assert (status, said) == (2, "")
    assert wrong


def test_a_file_that_is_no_table_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2,3\n")
    command = ["bake", str(tmp_path / "t.csv"), "--outcome", "a"]
    got = run(command)
    assert got.returncode == 1
    assert "Line 2" in got.stderr
    assert "Traceback" not in got.stderr


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments], env=clean_environment(),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
