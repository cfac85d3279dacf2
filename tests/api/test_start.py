"""What a fresh process of the API loads, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("keras", "tensorflow", "jax", "pandas", "scipy", "sklearn", "matplotlib", "optuna")
LATER = ("pyarrow", "PIL")

PROGRAM = """
import json, sys
from pathlib import Path
from fastapi.testclient import TestClient
from service.app import create_app
from service.settings import Settings
from service.store import migrations

def loaded():
    return sorted({name.split(".")[0] for name in sys.modules} & set(NAMES))

settings = Settings(data_dir=Path(sys.argv[1]))
settings.data_dir.mkdir()
migrations.migrate(settings.database_url)
app = create_app(settings)
created = loaded()
with TestClient(app) as client:
    assert client.get("/livez").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    started = loaded()
    USE
    used = loaded()
print(json.dumps({"created": created, "started": started, "used": used}))
"""

USE = """
    text = "y,x1,x2\\n" + "".join(f"{'ab'[i % 2]},{i},{i % 3}\\n" for i in range(30))
    upload = client.post("/v1/datasets", data={"name": "t"}, files={"file": ("t.csv", text)})
    assert upload.status_code == 201, upload.text
    for path in ("rows", "tab?column=y", "tab?column=x2"):
        assert client.get(f"/v1/datasets/t/{path}").status_code == 200
    assert client.get("/v1/datasets/t/rows/1/image.png?width=2&height=1").status_code == 200
    body = {"kind": "fit", "dataset": "t", "outcome": "y"}
    assert client.post("/v1/jobs", json=body).status_code == 202
    search = {
        "kind": "tune",
        "fit": {"dataset": "t", "outcome": "y", "model": {"hidden_units": {"tune": True}},
                "engine": {"batch_size": 4}},
        "grid": {"kind": "bayes"},
        "resamples": {"kind": "validation_split"},
    }
    queued = client.post("/v1/jobs", json=search)
    assert queued.status_code == 202, queued.text
    assert client.get(queued.headers["location"] + "/trials").status_code == 200
    preview = {"training": "t", "outcome": "y", "recipe": [{"step": "normalize"}]}
    assert client.post("/v1/recipes/preview", json=preview).status_code == 200
"""


def run(folder: Path) -> dict[str, list[str]]:
    program = PROGRAM.replace("NAMES", repr((*HEAVY, *LATER))).replace("    USE", USE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_api_starts_without_what_trains_and_what_draws(tmp_path: Path) -> None:
    loaded = run(tmp_path / "data")
    assert loaded["created"] == []
    assert loaded["started"] == []
    # Rows, counts and pictures are read here; learning, parsing and pandas stay out of it.
    assert not set(HEAVY) & set(loaded["used"])
