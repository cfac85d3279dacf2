"""An alias is switched under load: every answer is of one of the two models, and none fails.

    python -m tests.acceptance.alias_switches --times 1000

Four clients ask through the alias without pause while it is pointed at one model and at the other
in turn. Each answer must be that of the model that it says gave it, to the bit. Prints what
happened as JSON; exits 1 when a request failed or an answer was of neither.
`test_alias_switches.py` does it 100 times in the gate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.running import RunningService
from tests.acceptance.test_serve import FIT

CLIENTS = 4


def two_models(service: RunningService) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train two models that answer differently; return what to ask and each one's answer."""
    service.call("POST", "/v1/datasets", json={"name": "iris", "builtin": "iris"})
    rows = service.call("GET", "/v1/datasets/iris/rows", params={"count": 5})["data"]
    body = {"rows": rows}
    answers = {}
    for seed in (1, 2):
        asked = {**FIT, "name": "two", "model": {**FIT["model"], "seeds": [seed, 2, 3]}}
        job = service.finished(service.call("POST", "/v1/jobs", json=asked)["id"])
        model = job["model_id"]
        path = f"/v1/models/{model}/predictions"
        answers[model] = service.call("POST", path, params={"type": "prob"}, json=body)["rows"]
    return body, answers


def experiment(folder: Path, times: int) -> dict[str, Any]:
    """Switch the alias `times` times; return what the clients met."""
    service = RunningService(folder, FITPOINT_SLOTS="1")
    met: Counter[str] = Counter()
    try:
        body, answers = two_models(service)
        first, second = answers
        service.call("PUT", "/v1/aliases/champion", json={"model": first})
        over = threading.Event()

        def ask() -> None:
            path = "/v1/models/champion/predictions"
            with closing(httpx.Client(base_url=service.address, timeout=60)) as http:
                while not over.is_set():
                    told = http.post(path, params={"type": "prob"}, json=body)
                    if told.status_code != 200:
                        met["failed"] += 1
                        continue
                    answer = told.json()
                    same = answers.get(answer["model"]) == answer["rows"]
                    met[answer["model"] if same else "neither"] += 1

        clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for number in range(times):
            model = (second, first)[number % 2]
            service.call("PUT", "/v1/aliases/champion", json={"model": model})
        over.set()
        for client in clients:
            client.join()
        answered = [met.pop(model, 0) for model in (first, second)]
        return {
            "switches": times,
            "answered": answered,
            "failed": met.pop("failed", 0),
            "neither": met.pop("neither", 0),
            "different": answers[first] != answers[second],
        }
    finally:
        service.stop()


def is_good(told: dict[str, Any]) -> bool:
    """Return whether both models answered, and nothing else did."""
    return bool(
        told["different"] and min(told["answered"]) > 0 and told["failed"] == told["neither"] == 0
    )


def main() -> int:
    """Run the experiment that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = experiment(Path(folder) / "data", asked.times)
    print(json.dumps(told))
    return 0 if is_good(told) else 1


if __name__ == "__main__":
    sys.exit(main())
