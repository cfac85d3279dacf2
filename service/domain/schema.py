"""The base of every schema: frozen, strict, nothing extra, nothing non-finite."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Spec(BaseModel):
    """A validated description with no data in it.

    Strict: `"30"` is no number, `true` is no 1, NaN is refused, and a field that no schema names
    is refused instead of ignored.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


class Value(BaseModel):
    """A frozen value that crosses a border inside the service (process, store, thread)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


MAX_COLUMNS = 4096
MAX_LAYERS = 16
MAX_UNITS = 16_384
MAX_PARAMETERS = 100_000_000
MAX_EPOCHS = 100_000

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
