"""A replay over HTTP: another process, from the stored spec and rows, to the same bits."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.running import RunningService


def test_a_replay_trains_the_same_bits_and_says_so(start: Callable[..., RunningService]) -> None:
    service = start()
    service.call("POST", "/v1/datasets", json={"name": "digits", "builtin": "digits"})
    body = {
        "kind": "fit",
        "dataset": "digits",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {"hidden_units": 12, "activation": "relu", "dropout": 0.2, "epochs": 4},
        "evaluate": [{"dataset": "digits"}],
    }
    first = service.finished(service.call("POST", "/v1/jobs", json=body)["id"])
    assert first["state"] == "succeeded"
    assert first["bit_exact"] is True
    assert first["plan"]["cohorts"][0]["height"] == 13
    asked = service.call("POST", f"/v1/jobs/{first['id']}/replay")
    assert asked["kind"] == "replay"
    second = service.finished(asked["id"])
    assert second["state"] == "succeeded"
    assert second["model_id"] is None
    weights = service.call("GET", f"/v1/models/{first['model_id']}")["weights_sha256"]
    assert second["replay"]["same"] is True
    assert second["replay"]["weights_sha256"] == weights
    assert second["replay"]["differences"] == []
