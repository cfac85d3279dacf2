"""What the OpenAPI document says there is: paths, their methods, their query parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import compile_path

from service.api.validation import invalid_fields
from service.domain.errors import FieldError
from service.domain.names import did_you_mean


@dataclass(frozen=True)
class Surface:
    """The paths of an application, read from its own document once it is complete."""

    app: FastAPI

    @cached_property
    def _paths(self) -> Mapping[str, Mapping[str, Any]]:
        paths: Mapping[str, Mapping[str, Any]] = self.app.openapi()["paths"]
        return paths

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        return [(compile_path(path)[0], path) for path in self._paths]

    def methods(self, path: str) -> list[str]:
        """Return the methods that a concrete path answers."""
        return sorted(
            {
                method.upper()
                for pattern, template in self._patterns
                if pattern.match(path)
                for method in self._paths[template]
            }
        )

    def templates(self) -> list[str]:
        """Return every path, with its parameters in braces."""
        return list(self._paths)

    def query_names(self, template: str, method: str) -> frozenset[str] | None:
        """Return the query parameters of an operation; None when it takes names of the data."""
        operation = self._paths.get(template, {}).get(method.lower(), {})
        asked = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
        if any(parameter["schema"].get("type") == "object" for parameter in asked):
            return None
        return frozenset(parameter["name"] for parameter in asked)


async def refuse_unknown_query(request: Request) -> None:
    """Raise for a query parameter that the operation does not have.

    A misspelt `?dry-run=true` that was ignored would queue a job.
    """
    if not request.query_params:
        return
    surface: Surface = request.app.state.surface
    template = getattr(request.scope.get("route"), "path", "")
    known = surface.query_names(template, request.method)
    if known is None:
        return
    errors = [
        FieldError(
            loc=("query", name),
            msg=f"Expected no query parameter '{name[:64]}' here.{did_you_mean(name, known)} "
            f"Known parameters: {', '.join(sorted(known)) or 'none'}.",
        )
        for name in request.query_params
        if name not in known
    ]
    if errors:
        raise invalid_fields(errors)
