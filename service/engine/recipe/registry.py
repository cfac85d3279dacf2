"""Every kind of step that there is, found in the files of `steps`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from service.engine.recipe import steps
from service.engine.recipe.step import StepKind


def _read() -> Mapping[str, StepKind]:
    kinds: dict[str, StepKind] = {}
    for module in pkgutil.iter_modules(steps.__path__, f"{steps.__name__}."):
        for kind in importlib.import_module(module.name).KINDS:
            kinds[kind.fitted.model_fields["step"].default] = kind
    return MappingProxyType(kinds)


STEP_KINDS: Mapping[str, StepKind] = _read()
