"""A client that hears nothing, sends its request again, and again, until it is answered."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import httpx

_SECONDS = 30.0
# Now and then nobody waits for what a POST does: it is done, and sent again.
_HASTE = (0.01, 0.05, _SECONDS)


class PatientClient:
    """Asks one thing after the other of a server that may die, be stopped or come back.

    `counts` tells how often requests were sent ("sent"), answered ("answered"), and answered with
    what an earlier one with the same key had done ("replayed").
    """

    def __init__(self, address: str, draws: random.Random) -> None:
        self._http = httpx.Client(base_url=address)
        self._draws = draws
        self.counts: Counter[str] = Counter()

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Return the first answer that is neither missing nor "try again"."""
        while True:
            self.counts["sent"] += 1
            patience = self._draws.choice(_HASTE) if method == "POST" else _SECONDS
            try:
                answer = self._http.request(method, path, timeout=patience, **arguments)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 503:
                time.sleep(0.1)
                continue
            self.counts["answered"] += 1
            self.counts["replayed"] += "idempotent-replayed" in answer.headers
            return answer

    def close(self) -> None:
        """Close its connections."""
        self._http.close()
