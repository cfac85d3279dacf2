"""Getting the two tables into the service: built-in ones, or a person's own files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.demo.client import Client
from service.demo.plan import MAX_CLASSES, NotForUs, in_order, labels_of

TRAIN, TEST = "train", "test"
Say = Callable[[str], None]


def load_builtin(client: Client, builtin: str) -> tuple[Any, Any]:
    """Register both parts of a built-in dataset and return them."""
    parts = [
        client.post("/v1/datasets", {"name": part, "builtin": builtin, "part": part})
        for part in (TRAIN, TEST)
    ]
    return parts[0], parts[1]


def load_files(client: Client, train: Path, test: Path, outcome: str, say: Say) -> tuple[Any, Any]:
    """Upload two files and return the datasets, the outcome as a factor where it is one.

    What the outcome is shows only once the file has been read: a table whose outcome turns out to
    be class labels is uploaded a second time, with its levels declared.
    """
    training = client.upload(TRAIN, train)
    column = _column(training, outcome)
    if column["type"] in ("factor", "ordered"):
        say(f"Outcome {outcome}: a factor with {len(column['levels'])} levels in the file.")
        return training, client.upload(TEST, test, _declared(outcome, column["levels"]))
    if not labels_of(column, training["n_rows"]):
        say(
            f"Outcome {outcome}: {column['n_unique']:,} different numbers from {column['min']:g} "
            f"to {column['max']:g}, so this is a regression."
        )
        return training, client.upload(TEST, test)
    if not 2 <= column["n_unique"] <= MAX_CLASSES:
        raise NotForUs(
            f"Expected an outcome with 2 to {MAX_CLASSES} classes. '{outcome}' is text with "
            f"{column['n_unique']:,} different values."
        )
    levels = in_order(_levels(client, TRAIN, outcome))
    say(
        f"Outcome {outcome}: {column['type']} with {len(levels)} different values, declared a "
        f"factor: {', '.join(levels[:12])}{', ...' if len(levels) > 12 else ''}."
    )
    client.delete(f"/v1/datasets/{TRAIN}")
    declared = _declared(outcome, levels)
    return client.upload(TRAIN, train, declared), client.upload(TEST, test, declared)


def _levels(client: Client, dataset: str, column: str) -> list[str]:
    rows = client.get(f"/v1/datasets/{dataset}/tab", column=column)["data"]
    return [_as_written(row["level"]) for row in rows if row["level"] is not None]


def _as_written(level: Any) -> str:
    """Return a value as the file most likely writes it: 3, not 3.0."""
    if isinstance(level, bool):
        return str(level).upper()
    if isinstance(level, float) and level.is_integer():
        return str(int(level))
    return str(level)


def _declared(outcome: str, levels: list[str]) -> Mapping[str, Any]:
    return {"columns": {outcome: {"type": "factor", "levels": levels}}}


def _column(dataset: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for column in dataset["columns"]:
        if column["name"] == name:
            found: Mapping[str, Any] = column
            return found
    names = ", ".join(str(column["name"]) for column in dataset["columns"][:12])
    raise NotForUs(f"Expected --outcome to name a column, such as {names}. Received '{name}'.")
