"""The few calls of the REST API that the walk makes; any refusal becomes one readable line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

POLL_SECONDS = 0.1
# Uploads are parsed before the answer comes; MNIST takes some seconds.
TIMEOUT = httpx.Timeout(600.0, connect=10.0)


class Refused(Exception):
    """The service answered with a problem."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            problem = answer.json()
            detail = str(problem["detail"])
            fields = [str(error["msg"]) for error in problem.get("errors", ())]
        except (ValueError, KeyError, TypeError):
            detail, fields = answer.text[:500], []
        self.status = answer.status_code
        lines = dict.fromkeys([detail, *fields])
        super().__init__(f"{answer.request.method} {answer.request.url.path}: " + " ".join(lines))


class JobFailed(Exception):
    """A job ended in another state than succeeded."""


class Client:
    """A connection to one service."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=address, timeout=TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer of a GET."""
        return self._call("GET", path, params=query).json()

    def picture(self, path: str, **query: Any) -> bytes:
        """Return the bytes of a picture."""
        return self._call("GET", path, params=query).content

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """Return the JSON answer of a POST with a JSON body."""
        return self._call("POST", path, json=body, params=query).json()

    def delete(self, path: str) -> None:
        """Delete a resource."""
        self._call("DELETE", path)

    def upload(self, name: str, file: Path, options: Mapping[str, Any] | None = None) -> Any:
        """Upload a table and return the dataset."""
        form = {"name": name}
        if options:
            form["options"] = json.dumps(options)
        with file.open("rb") as stream:
            answer = self._call(
                "POST", "/v1/datasets", data=form, files={"file": (file.name, stream)}
            )
        return answer.json()

    def wait_for_worker(self, seconds: float, check: Callable[[], None]) -> None:
        """Return once a worker has registered; `check` may raise while waiting."""
        deadline = time.monotonic() + seconds
        while self.get("/readyz")["workers"] == 0:
            check()
            if time.monotonic() > deadline:
                raise JobFailed(f"No worker registered within {seconds:.0f} s.")
            time.sleep(POLL_SECONDS)

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what happens to a job, as (event, data), until `done`."""
        with self._http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
            if answer.is_error:
                answer.read()
                raise Refused(answer)
            kind, data = "", ""
            for line in answer.iter_lines():
                field, _, value = line.partition(":")
                match field:
                    case "event":
                        kind = value.strip()
                    case "data":
                        data += value.strip()
                    case "" if data:
                        yield kind, json.loads(data)
                        kind, data = "", ""
                    case _:
                        pass

    def finished(self, job_id: str) -> Any:
        """Return a job that has ended well.

        Raises:
            JobFailed: it ended in another state; the message is the job's problem.
        """
        job = self.get(f"/v1/jobs/{job_id}")
        if job["state"] != "succeeded":
            error = job["error"] or {}
            raise JobFailed(f"Job {job['name']} is {job['state']}: {error.get('detail', '')}")
        return job

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self._http.request(method, path, **arguments)
        if answer.is_error:
            raise Refused(answer)
        return answer
