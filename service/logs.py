"""How a process of ours logs: one line an event on standard error, the libraries' lines too."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# They say much at INFO that nobody asked for.
QUIET = ("alembic", "httpx", "httpcore", "matplotlib", "PIL", "absl", "tensorflow", "jax")


def configure_logs(*, process: str, level: int = logging.INFO) -> None:
    """Send every logger of this process to standard error.

    People at a terminal get aligned words, everything else one JSON object a line. `process` is
    on every line; what `structlog.contextvars` binds (request, job, attempt) is too.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _dressed(process),
    ]
    people = sys.stderr.isatty()
    rendering: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _dressed(process: str) -> Any:
    def dress(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("process", process)
        # uvicorn says some things twice, the second time in colours.
        event.pop("color_message", None)
        return event

    return dress
