"""Predictions as Arrow and Parquet: the same answers as JSON, and no trust in a file's word."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Tables
from tests.api.numpy_trainer import NumpyTrainer, fitted

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
Ask = Callable[..., Any]


@pytest.fixture
def model(client: TestClient, register: Tables, trainer: NumpyTrainer) -> Any:
    """Reads a number, a factor, a logical, a date and a time."""
    text = "y,a,t,l,d,w\n" + "".join(
        f"{'no' if i % 3 else 'yes'},{i / 4},{'uvw'[i % 3]},{'TF'[i % 2]},"
        f"2020-01-{1 + i % 28:02},2020-01-01T{i % 24:02}:00:00Z\n"
        for i in range(60)
    )
    types = {"d": "date", "w": "datetime", "l": "logical"}
    columns: dict[str, Any] = {name: {"type": kind} for name, kind in types.items()}
    columns["y"] = {"type": "factor", "levels": ["no", "yes"]}
    register("mixed", text, {"columns": columns})
    body = {
        "kind": "fit",
        "name": "mixed",
        "dataset": "mixed",
        "outcome": "y",
        "recipe": [
            {"step": "date", "columns": ["d"], "features": ["doy"]},
            {"step": "date", "columns": ["w"], "features": ["doy"]},
            {"step": "remove", "columns": ["d", "w"]},
            {"step": "impute_mean", "columns": ["a"]},
            {"step": "novel", "columns": ["t"]},
            {"step": "dummy"},
            {"step": "normalize", "columns": ["a"]},
        ],
        "model": {"hidden_units": 3, "epochs": 1},
    }
    return fitted(trainer, client, body)


@pytest.fixture
def ask(client: TestClient, model: Any) -> Ask:
    def post(
        content: Any, media: str = ARROW, query: str = "?type=class,prob", **headers: str
    ) -> Any:
        path = f"/v1/models/{model['id']}/predictions{query}"
        if isinstance(content, pa.Table):
            content = stream(content) if media == ARROW else parquet(content)
        return client.post(path, content=content, headers={"content-type": media, **headers})

    return post


def table(**columns: Any) -> pa.Table:
    given = {
        "a": pa.array([1.5, None, float("nan"), 4.0]),
        "t": pa.array(["w", "u", "new", None]),
        "l": pa.array([True, False, None, True]),
        "d": pa.array([date(2020, 1, 31), date(2020, 2, 1), date(1969, 12, 31), date(2021, 3, 1)]),
        "w": pa.array([datetime(2020, 1, day, 5, tzinfo=UTC) for day in (1, 2, 3, 4)]),
    }
    return pa.table({**given, **columns})


ROWS = [
    {"a": 1.5, "t": "w", "l": True, "d": "2020-01-31", "w": "2020-01-01T05:00:00Z"},
    {"a": None, "t": "u", "l": False, "d": "2020-02-01", "w": "2020-01-02T05:00:00Z"},
    {"a": None, "t": "new", "l": None, "d": "1969-12-31", "w": "2020-01-03T05:00:00Z"},
    {"a": 4, "t": None, "l": True, "d": "2021-03-01", "w": "2020-01-04T05:00:00Z"},
]


def stream(of: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, of.schema) as writer:
        writer.write_table(of, max_chunksize=2)
    return sink.getvalue()


def parquet(of: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa_parquet.write_table(of, sink)
    return sink.getvalue()


def whole(of: pa.Table) -> pa.Table:
    """Rows 1 and 2, where nothing is missing that no step fills in."""
    return of.slice(0, 2)


def test_rows_are_the_same_however_they_are_written(
    client: TestClient, model: Any, ask: Ask
) -> None:
    path = f"/v1/models/{model['id']}/predictions?type=class,prob"
    expected = client.post(path, json={"rows": ROWS[:2]})
    assert expected.status_code == 200, expected.text
    wanted = [list(row.values()) for row in expected.json()["rows"]]
    dictionary = pa.array(["w", "u"]).dictionary_encode()
    for changed in (
        {},
        {"t": dictionary},
        {"t": pa.array(["w", "u"], pa.large_string())},
        {"a": pa.array([1.5, None], pa.float32())},
        {"d": pa.array([date(2020, 1, 31), date(2020, 2, 1)], pa.date64())},
        {"d": pa.array(["2020-01-31", "2020-02-01"])},
        {"w": pa.array([datetime(2020, 1, 1, 5), datetime(2020, 1, 2, 5)], pa.timestamp("s"))},
        {"else": pa.array([[1], [2]])},
    ):
        sent = whole(table())
        for name, column in changed.items():
            place = sent.schema.get_field_index(name)
            sent = (
                sent.append_column(name, column)
                if place < 0
                else sent.set_column(place, name, column)
            )
        for media in (ARROW, PARQUET):
            told = ask(sent, media)
            assert told.status_code == 200, (changed, told.text)
            assert told.json()["columns"] == [".pred_class", ".pred_no", ".pred_yes"]
            assert told.json()["data"] == wanted, changed


def test_an_answer_as_arrow_holds_the_same_bits_and_all_levels(model: Any, ask: Ask) -> None:
    sent = whole(table())
    told = ask(sent, accept=ARROW)
    assert told.headers["content-type"] == ARROW
    assert told.headers["x-model"] == model["id"]
    found = pa.ipc.open_stream(told.content).read_all()
    expected = ask(sent).json()
    assert found.column_names == expected["columns"]
    classes = found.column(".pred_class")
    assert classes.type == pa.dictionary(pa.int32(), pa.string())
    assert classes.chunk(0).dictionary.to_pylist() == ["no", "yes"]
    assert classes.to_pylist() == [row[0] for row in expected["data"]]
    assert found.column(".pred_yes").type == pa.float32()
    assert found.column(".pred_yes").to_pylist() == [row[2] for row in expected["data"]]


def test_a_stored_dataset_is_answered_as_arrow_in_pieces(
    client: TestClient, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.prediction_arrow.PIECE_ROWS", 7)
    path = f"/v1/models/{model['id']}/predictions"
    body = {"dataset": "mixed", "type": ["prob"]}
    told = client.post(path, json=body, headers={"accept": ARROW})
    found = pa.ipc.open_stream(told.content).read_all()
    assert (found.num_rows, found.column(0).num_chunks) == (60, 9)
    expected = client.post(path, json=body).json()["rows"]
    assert found.column(".pred_no").to_pylist() == [row[".pred_no"] for row in expected]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "text for a number": ({"a": pa.array(["1.5", "2"])}, "Expected numbers in column 'a'"),
    "true for a number": ({"a": pa.array([True, False])}, "Expected numbers in column 'a'"),
    "infinity": ({"a": pa.array([1.0, float("inf")])}, "row 2 of column 'a'"),
    "a level that is none": ({"l": pa.array(["TRUE", "maybe"])}, "column 'l'"),
    "a number for a date": ({"d": pa.array([1, 2])}, "Expected dates in column 'd'"),
    "no date": ({"d": pa.array(["2020-01-31", "soon"])}, "row 2 of column 'd'"),
    "a list for a category": ({"t": pa.array([["w"], ["u"]])}, "Expected categories"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_column_that_the_model_cannot_read_is_refused_by_name(ask: Ask, what: str) -> None:
    changed, words = WRONG[what]
    sent = whole(table())
    for name, column in changed.items():
        sent = sent.set_column(sent.schema.get_field_index(name), name, column)
    refused = ask(sent)
    assert refused.status_code == 422, refused.text
    assert words in refused.json()["detail"], refused.text


def test_a_column_that_is_missing_or_there_twice_is_refused(ask: Ask) -> None:
    assert "'l'" in ask(whole(table()).drop_columns(["l"])).json()["detail"]
    sent = whole(table())
    twice = sent.append_column("t", sent.column("t"))
    assert "each column once" in ask(twice).json()["detail"]
    # Another column may be there twice: nobody asks for it.
    column = sent.column("t")
    assert ask(sent.append_column("z", column).append_column("z", column)).status_code == 200


def test_bytes_that_are_no_such_file_are_refused_and_no_word_is_believed(ask: Ask) -> None:
    good = {ARROW: stream(whole(table())), PARQUET: parquet(whole(table()))}
    draws = np.random.default_rng(5)
    for media, raw in good.items():
        for broken in (b"", b"ARROW1", raw[: len(raw) // 2], raw[:-9], b"\0" * 100):
            refused = ask(broken, media)
            assert refused.status_code in (200, 422), refused.text
        for _ in range(60):
            damaged = bytearray(raw)
            for place in draws.integers(0, len(raw), 3):
                damaged[place] = draws.integers(0, 256)
            assert ask(bytes(damaged), media).status_code in (200, 413, 422)


def test_a_stream_without_a_batch_has_no_rows_to_answer(ask: Ask) -> None:
    told = ask(table().slice(0, 0))
    assert (told.status_code, "Received none" in told.text) == (422, True)
