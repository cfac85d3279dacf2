"""Bodies of tunes for these tests."""

from __future__ import annotations

from typing import Any

from service.domain.tune.spec import TuneSpec


def tune(
    grid: dict[str, Any] | None = None,
    *,
    model: dict[str, Any] | None = None,
    engine: dict[str, Any] | None = None,
    recipe: list[dict[str, Any]] | None = None,
    fit: dict[str, Any] | None = None,
    **fields: Any,
) -> TuneSpec:
    """Return a tune of a small fit; what is given replaces or is added."""
    body: dict[str, Any] = {"dataset": "d", "outcome": "y"}
    for name, value in (("model", model), ("engine", engine), ("recipe", recipe)):
        if value is not None:
            body[name] = value
    whole = {
        "kind": "tune",
        "fit": {**body, **(fit or {})},
        "resamples": {"kind": "vfold"},
        **({} if grid is None else {"grid": grid}),
        **fields,
    }
    return TuneSpec.model_validate(whole)


def expand(**values: list[Any]) -> dict[str, Any]:
    """Return a grid of values."""
    return {"kind": "expand", "values": values}
