"""README's tables and commands are those of the code; tests/acceptance runs its walk in curl."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from service.__main__ import app as command_line
from service.app import create_app
from service.domain.jobs import JobState
from service.settings import Settings, variables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next one of the same depth."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.S | re.M)
    assert found, f"README has no section '{title}'"
    return found[1]


def table(title: str) -> list[list[str]]:
    """The cells of a section's table, without its heading."""
    rows = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def block(kind: str) -> str:
    """The one code block marked so."""
    (found,) = re.findall(rf"^```sh {kind}\n(.*?)^```", README, re.S | re.M)
    assert isinstance(found, str)
    return found.strip()


def test_the_table_of_commands_is_the_command_lines() -> None:
    group: Any = typer.main.get_command(command_line)
    written = {row[0].strip("`"): row[1] for row in table("Commands")}
    assert list(written) == [f"fitpoint {name}" for name in group.commands]
    for name, command in group.commands.items():
        told = written[f"fitpoint {name}"]
        assert told.startswith(command.help.strip())
        shown = [p for p in command.params if not getattr(p, "hidden", False)]
        options = {option for p in shown for option in p.opts if option.startswith("--")} - {
            "--help"
        }
        assert set(re.findall(r"--[a-z-]+", told)) == options


def test_the_table_of_settings_is_the_settings() -> None:
    written = {row[0].strip("`"): row[1:] for row in table("Settings")}
    assert list(written) == list(variables().values())
    for name, variable in variables().items():
        field = Settings.model_fields[name]
        default, meaning = written[variable]
        assert plain(field.description or "") == plain(meaning)
        if isinstance(field.default, str):
            assert default == f"`{field.default}`"
    assert Settings.model_fields["max_upload_bytes"].default == 4 * 2**30
    assert written["FITPOINT_MAX_UPLOAD_BYTES"][0] == "`4GiB`"
    assert Settings.model_fields["max_body_bytes"].default == 8 * 2**20
    assert written["FITPOINT_MAX_BODY_BYTES"][0] == "`8MiB`"


def plain(text: str) -> str:
    return re.sub(r"[`,.]|\(.*?\)", "", text).casefold().strip()


def test_the_table_of_endpoints_is_the_openapi_document(tmp_path: Path) -> None:
    document = create_app(Settings(data_dir=tmp_path)).openapi()
    served = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    rows = table("Endpoints")
    written = {(*row[0].strip("`").split(" ", 1),): row[1] for row in rows}
    assert len(written) == len(rows)
    assert set(written) == set(served)
    for call, operation in served.items():
        first = operation["description"].split("\n")[0]
        assert plain(written[call]) == plain(first), call


def test_the_words_are_the_codes_own() -> None:
    text = " ".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "service").rglob("*.py"))
    ).casefold()
    unknown = [word for word, _ in table("Words") if not re.search(rf"\b{word}", text)]
    assert unknown == []
    states = dict(row[:2] for row in table("Words"))["state"]
    assert re.findall(r"`(\w+)`", states) == [state.value for state in JobState]


def test_the_second_command_is_what_the_gate_runs() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert block("test") in [line.strip() for line in gate]


def test_the_first_command_installs_with_the_pins_and_ends_in_the_demo() -> None:
    steps = block("setup").split(" && ")
    assert steps[0].startswith("python -m venv")
    assert "-c docker/constraints.txt" in steps[2]
    assert steps[-1] == "fitpoint demo"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\w+|\.ci)/[\w./]+)`", README))))
def test_every_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_third_party_is_pinned() -> None:
    pins = (ROOT / "docker" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert pins
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.!+]+( ; .+)?", pin)] == []
