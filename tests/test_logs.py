"""Log lines: one JSON object each, where nobody sits at a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import logging, structlog
from service.logs import configure_logs
configure_logs(process="worker")
with structlog.contextvars.bound_contextvars(job="job_1"):
    logging.getLogger("some.library").warning("slow: %d s", 3)
    structlog.get_logger("service.worker").info("claimed", attempt=2)
logging.getLogger("alembic.runtime").info("nobody asked")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("service").exception("broke")
"""


def test_ours_and_the_libraries_lines_carry_the_same_fields() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    library, ours, failure = (json.loads(line) for line in done.stderr.splitlines())
    assert library["event"] == "slow: 3 s"
    assert library["level"] == "warning"
    assert library["logger"] == "some.library"
    assert ours["event"] == "claimed"
    assert ours["attempt"] == 2
    for line in (library, ours):
        assert line["job"] == "job_1"
        assert line["process"] == "worker"
        assert line["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in failure["exception"]
    assert "job" not in failure
