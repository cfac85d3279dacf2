"""README's walk in curl, run as printed against a real service."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.running import ROOT, RunningService


def test_the_curl_lines_work_as_printed(
    start: Callable[..., RunningService], tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh walk\n(.*?)^```", readme, re.S | re.M)
    assert len(blocks) >= 8
    service = start()
    script = "set -euo pipefail\n" + "\n".join(blocks)
    printed = "FITPOINT=http://127.0.0.1:8000\n"
    assert script.count(printed) == 1
    folder = tmp_path / "walk"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", script.replace(printed, f"FITPOINT={service.address}\n")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What a reader would look at.
    assert "event: epoch" in done.stdout
    assert "event: done" in done.stdout
    assert "Total params" in done.stdout
    assert ".pred_class" in done.stdout
    job = json.loads((folder / "job.json").read_text())
    assert job["state"] == "succeeded"
    # Chance is a tenth; 360 rows from a second writing of the digits leave some points of noise.
    assert job["evaluations"][0]["metrics"]["accuracy"] > 0.85
    dry_run = json.loads((folder / "dry_run.json").read_text())
    assert dry_run["n_parameters"] > 0
    history = (folder / "history.csv").read_text().splitlines()
    assert history[0].startswith("trial,fold,epoch,loss")
    assert len(history) - 1 == service.call("GET", f"/v1/jobs/{job['id']}/epochs")["epochs_run"]
    best = json.loads((folder / "best.json").read_text())["data"]
    assert sorted(row["trial"] for row in best) == [1, 2, 3, 4]
    assert best[0]["mean"] > 0.8
    evaluation = json.loads((folder / "evaluation.json").read_text())
    interval = evaluation["intervals"]["accuracy"]
    assert interval["low"] < evaluation["metrics"]["accuracy"] < interval["high"]
    assert '"image":"/v1/datasets/' in done.stdout
    (compared,) = json.loads((folder / "comparison.json").read_text())["data"]
    assert compared["low"] <= compared["difference"] <= compared["high"]
    assert "event: trial" in (folder / "tune-events.txt").read_text()
    raced = json.loads((folder / "raced.json").read_text())["data"]
    assert sorted(row.get("pruned_at", 18) for row in raced) == [2] * 6 + [6] * 2 + [18]
    assert "pruned_at" not in raced[0]
    found = json.loads((folder / "search-best.json").read_text())["data"]
    assert len(found) == 3
    assert found[0]["mean"] > 0.8
    assert (folder / "search-events.txt").read_text().count("event: trial") == 10
    pictures = ("confusion", "roc", "calibration", "importance", "worst")
    for name in ("digit.png", "history.png", "tune.png", *(f"{name}.png" for name in pictures)):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "bar.svg").read_text()
