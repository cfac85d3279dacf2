"""What a job recorded, over HTTP: epochs, log, learning curve, events."""

from __future__ import annotations

import csv
import io
import json
import threading
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store.sqlite import driver
from tests.api.numpy_trainer import NumpyTrainer

EARLY = {
    "validation_split": 0.25,
    "metrics": ["accuracy"],
    "early_stopping": {"monitor": "val_loss", "patience": 2},
}
VALUES = [
    {"loss": 0.6, "accuracy": 0.5, "val_loss": 0.7, "val_accuracy": 0.4},
    {"loss": 0.5, "accuracy": 0.6, "val_loss": 0.5, "val_accuracy": 0.5},
    {"loss": 0.4, "accuracy": 0.7, "val_loss": 0.5, "val_accuracy": 0.6},
    {"loss": 0.3, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7},
]
NAN, INF = float("nan"), float("inf")


def job_path(client: TestClient, body: dict[str, Any]) -> str:
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


def test_the_history_is_whole_and_knows_its_best_and_last_epoch(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = job_path(client, {**fit, "engine": EARLY})
    claim = trainer.claim()
    trainer.record(claim, 1, VALUES)
    trainer.succeed(claim, stopped_epoch=4)
    history = client.get(f"{path}/epochs").json()
    assert history["data"][0] == {
        "trial": 1, "fold": 1, "epoch": 1, **VALUES[0], "seconds": 0.5, "samples_per_second": 120.0,
    }  # fmt: skip
    assert [row["epoch"] for row in history["data"]] == [1, 2, 3, 4]
    # Epochs 2 and 3 are equally good: the first one counts.
    assert (history["epochs_run"], history["stopped_epoch"], history["best_epoch"]) == (4, 4, 2)
    assert (history["has_more"], history["next"]) == (False, None)


def test_a_history_without_validation_and_monitor_has_no_best_epoch(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = job_path(client, fit)
    trainer.record(trainer.claim(), 1, [{"loss": 0.5}])
    history = client.get(f"{path}/epochs").json()
    assert (history["stopped_epoch"], history["best_epoch"]) == (None, None)


def test_pages_of_a_history_tell_of_the_whole(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = job_path(client, {**fit, "engine": EARLY})
    trainer.record(trainer.claim(), 1, VALUES)
    first = client.get(f"{path}/epochs?limit=3").json()
    rest = client.get(f"{path}/epochs", params={"limit": 3, "after": first["next"]}).json()
    assert [row["epoch"] for row in first["data"] + rest["data"]] == [1, 2, 3, 4]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["best_epoch"] == rest["best_epoch"] == 2
    assert first["epochs_run"] == rest["epochs_run"] == 4
    assert client.get(f"{path}/epochs?limit=10001").status_code == 422
    assert client.get(f"{path}/epochs?after=nonsense").status_code == 422


def test_a_loss_that_diverged_is_null_and_says_so(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = job_path(client, fit)
    trainer.record(trainer.claim(), 1, [{"loss": 0.5}, {"loss": NAN}, {"loss": INF}])
    answer = client.get(f"{path}/epochs")
    assert "NaN" not in answer.text
    assert "Infinity" not in answer.text
    rows = answer.json()["data"]
    assert [row["loss"] for row in rows] == [0.5, None, None]
    assert [row.get("diverged", False) for row in rows] == [False, True, True]
    assert client.get(f"{path}/plots/history.svg").status_code == 200


def test_the_history_as_csv(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> None:
    path = job_path(client, fit)
    trainer.record(trainer.claim(), 1, [{"loss": 0.1}, {"loss": NAN}])
    answer = client.get(f"{path}/epochs", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["vary"] == "Accept"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["epoch"], row["loss"], row["diverged"]) for row in rows] == [
        ("1", "0.1", "FALSE"),
        ("2", "", "TRUE"),
    ]
    refused = client.get(f"{path}/epochs", headers={"Accept": "application/xml"})
    assert refused.status_code == 406


@pytest.mark.parametrize(("extension", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_learning_curve_is_a_picture(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, extension: str, start: bytes
) -> None:
    path = f"{job_path(client, {**fit, 'engine': EARLY})}/plots/history.{extension}"
    assert client.get(path).content.startswith(start)
    trainer.record(trainer.claim(), 1, VALUES)
    drawn = client.get(path)
    assert drawn.content.startswith(start)
    assert client.get(path, headers={"If-None-Match": drawn.headers["etag"]}).status_code == 304


def test_the_log_comes_in_order_as_json_or_text(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = f"{job_path(client, fit)}/log"
    assert client.get(path).json()["data"] == []
    trainer.log(trainer.claim(), ["first", "second"])
    lines = client.get(path).json()["data"]
    assert [(line["attempt"], line["line"]) for line in lines] == [(1, "first"), (1, "second")]
    assert client.get(path, headers={"Accept": "text/plain"}).text == "first\nsecond\n"


def events_of(text: str) -> list[tuple[int, str, Any]]:
    """The events of a stream: id, kind, data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def ended_job(client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer) -> str:
    path = job_path(client, fit)
    claim = trainer.claim()
    trainer.record(claim, 1, [{"loss": 0.5}, {"loss": NAN}])
    trainer.succeed(claim)
    return f"{path}/events"


def test_the_events_of_an_ended_job_are_told_from_first_to_last(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    answer = client.get(ended_job(client, fit, trainer))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "NaN" not in answer.text
    events = events_of(answer.text)
    assert [kind for _, kind, _ in events] == [
        "state", "state", "epoch", "epoch", "state", "done",
    ]  # fmt: skip
    assert [data["state"] for _, kind, data in events if kind == "state"] == [
        "queued", "running", "succeeded",
    ]  # fmt: skip
    assert events[3][2]["loss"] is None
    assert events[3][2]["diverged"] is True
    ids = [number for number, _, _ in events]
    assert ids == sorted(set(ids))


def test_a_stream_goes_on_after_the_last_event_with_none_lost_or_doubled(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer
) -> None:
    path = ended_job(client, fit, trainer)
    whole = events_of(client.get(path).text)
    for at, (number, _, _) in enumerate(whole[:-1]):
        rest = client.get(path, headers={"Last-Event-ID": str(number)})
        assert events_of(rest.text) == whole[at + 1 :]


@pytest.mark.parametrize("sent", ["x", "-1", "1.5", "9" * 40, "\u0663"])
def test_a_last_event_id_that_is_no_number(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, sent: str
) -> None:
    path = ended_job(client, fit, trainer)
    refused = client.get(path, headers={b"Last-Event-ID": sent.encode()})
    assert refused.status_code == 422


def test_events_arrive_while_the_job_runs_and_no_transaction_is_held(
    client: TestClient, fit: dict[str, Any], trainer: NumpyTrainer, settings: Settings
) -> None:
    path = job_path(client, fit)
    told = threading.Event()
    checkpoints: list[tuple[int, ...]] = []

    def work() -> None:
        # Not before the client has read the first event: the rest comes while it listens.
        assert told.wait(10)
        # A reader with an open transaction would leave the checkpoint busy.
        raw = driver().connect(str(settings.data_dir / "fitpoint.sqlite"), timeout=5)
        checkpoints.append(raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        raw.close()
        claim = trainer.claim()
        trainer.record(claim, 1, [{"loss": 0.5}])
        trainer.succeed(claim)

    worker = threading.Thread(target=work)
    worker.start()
    text = ""
    with client.stream("GET", f"{path}/events") as stream:
        for piece in stream.iter_text():
            text += piece
            told.set()
    worker.join(10)
    assert [kind for _, kind, _ in events_of(text)][-1] == "done"
    assert [busy for busy, *_ in checkpoints] == [0]


def test_an_open_stream_ends_when_the_server_stops(
    app: FastAPI, client: TestClient, fit: dict[str, Any]
) -> None:
    path = job_path(client, fit)
    timer = threading.Timer(0.3, app.state.stopping.set)
    timer.start()
    answer = client.get(f"{path}/events")
    timer.join()
    assert [kind for _, kind, _ in events_of(answer.text)] == ["state"]
