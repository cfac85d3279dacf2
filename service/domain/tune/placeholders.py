"""Where a fit's body is open: its `{"tune": "id"}`s, and which arguments may be one.

Hyperparameters, engine arguments and recipe arguments may. Not the data (dataset, outcome, mode,
case weights, ids, a validation dataset), without which candidates could not be compared; not the
engine's name, its metrics or its time limit, which say how a fit is run and recorded; and no seed:
the seed that scores best is the luckiest one, and candidates with seeds of their own would differ
by more than their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from pydantic import JsonValue

from service.domain.errors import FieldError, InvalidSpec
from service.domain.fit import EarlyStopping, Engine, FitSpec, Model
from service.domain.names import NAME_PATTERN, did_you_mean
from service.domain.optimizers import Optimizer
from service.domain.recipe import Step
from service.domain.schema import Spec
from service.domain.tune.grid import RESERVED_IDS

Path = tuple[str | int, ...]

_NOT_OPEN: Final[Mapping[str, str]] = {
    "model.seeds": "the seed that scores best is the luckiest one, not the best",
    "engine.shuffle_seed": "the seed that scores best is the luckiest one, not the best",
    "engine.name": "candidates of one tune share the engine",
    "engine.metrics": "it says what is recorded, not what is trained",
    "engine.validation_dataset": "candidates are compared on the same data",
    "engine.max_seconds": "it says when a fit is given up, and depends on the machine",
    "engine.terminate_on_nan": "it says when a fit is given up, not what is trained",
    "step": "each step has arguments of its own",
}
# What a tune says itself, with the values that a fit's body may still carry.
_OF_THE_TUNE: Final[Mapping[str, tuple[JsonValue, ...]]] = {
    "kind": ("fit",),
    "name": (None,),
    "evaluate": ([],),
    "split": (None,),
    "priority": (0,),
    "tags": ({},),
}


@dataclass(frozen=True, kw_only=True)
class Placeholder:
    """One open argument.

    `argument` names what it is, such as `model.penalty`, `pca.num_comp` or, for one layer of a
    list, `model.hidden_units[]`; `path` is where it stands in the fit's body.
    """

    id: str
    path: Path
    argument: str

    @property
    def of_recipe(self) -> bool:
        """Whether it changes the preparation and not only the network."""
        return self.path[0] == "recipe"


def placeholders(fit: Mapping[str, JsonValue]) -> dict[str, tuple[Placeholder, ...]]:
    """Return the open arguments of a fit's body by id, in the order of their first appearance.

    One id may stand in several places of one argument: two layers of a list that are to have the
    same width.

    Raises:
        InvalidSpec: an argument that may not be tuned or that nothing has, an id that stands for
            two different arguments or that a row of trials needs itself, a field that belongs to
            the tune and not to its fit.
    """
    wrong = [
        _error(
            (name,),
            f"Expected no '{name}' in the fit of a tune, which has its own. Move it out of `fit`."
            if name != "kind"
            else "Expected a fit, of kind 'fit'. Received another kind.",
        )
        for name, harmless in _OF_THE_TUNE.items()
        if name in fit and fit[name] not in harmless
    ]
    found: dict[str, list[Placeholder]] = {}
    for path, name in _open(dict(fit), ()):
        told = _wrong_place(path, fit)
        if told is not None:
            wrong.append(_error(path, told))
            continue
        each = Placeholder(
            id=_argument_name(path) if name is True else str(name),
            path=path,
            argument=_argument(path, fit),
        )
        told = _wrong_id(each, found.get(each.id, []))
        if told is not None:
            wrong.append(_error(path, told))
        else:
            found.setdefault(each.id, []).append(each)
    if wrong:
        raise InvalidSpec(wrong[0].msg, errors=wrong)
    return {each: tuple(places) for each, places in found.items()}


def substituted(
    fit: Mapping[str, JsonValue],
    places: Mapping[str, tuple[Placeholder, ...]],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the body of a fit with each id's value in its places; `fit` stays as it is."""
    body: Any = {**fit, "kind": "fit"}
    for name, own in places.items():
        for each in own:
            body = _put(body, each.path, values[name])
    return dict(body)


def annotation_of(argument: str) -> Any:
    """Return the type that the fit's schema declares for an argument, or None when it has none.

    Of an element of a list or a mapping, the type of the whole.
    """
    owner, _, rest = argument.partition(".")
    schema = _owners().get(owner)
    field = None if schema is None else schema.model_fields.get(re.split(r"[.\[]", rest)[0])
    return None if field is None else field.annotation


@cache
def _owners() -> dict[str, type[Spec]]:
    """Return the schemas whose fields may be tuned, by what an argument's name begins with."""
    owners: dict[str, type[Spec]] = {
        "model": Model,
        "engine": Engine,
        "early_stopping": EarlyStopping,
    }
    for step in get_args(get_args(Step)[0]):
        owners.update(dict.fromkeys(get_args(step.model_fields["step"].annotation), step))
    for optimizer in get_args(get_args(Optimizer)[0]):
        owners[get_args(optimizer.model_fields["name"].annotation)[0]] = optimizer
    return owners


def _open(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every `{"tune": ...}` below a value and what it holds, in the body's order."""
    if isinstance(value, dict):
        if set(value) == {"tune"} and (value["tune"] is True or isinstance(value["tune"], str)):
            # A level or a tag may be called "tune" as well.
            if path[:1] != ("tags",):
                yield path, value["tune"]
            return
        for key, below in value.items():
            yield from _open(below, (*path, key))
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield from _open(below, (*path, at))


def _argument_name(path: Path) -> str:
    return next(str(part) for part in reversed(path) if isinstance(part, str))


def _owner(path: Path, fit: Mapping[str, Any]) -> tuple[str, Path]:
    """Return whose argument stands at a path, as `_owners` calls it, and the path below it."""
    match path:
        case ("recipe", int() as at, *rest):
            step = fit["recipe"][at]
            name = step.get("step") if isinstance(step, dict) else None
            return (name if isinstance(name, str) else "recipe"), tuple(rest)
        case ("engine", "early_stopping", _, *_):
            return "early_stopping", path[2:]
        case ("engine", "optimizer", _, *_):
            optimizer = fit["engine"]["optimizer"]
            name = optimizer.get("name") if isinstance(optimizer, dict) else None
            return (name if isinstance(name, str) else "optimizer"), path[2:]
        case _:
            return str(path[0]), path[1:]


def _argument(path: Path, fit: Mapping[str, Any]) -> str:
    owner, rest = _owner(path, fit)
    levels = "".join("[]" if isinstance(part, int) else f".{part}" for part in rest[1:])
    return f"{owner}.{rest[0]}{levels}"


def _wrong_place(path: Path, fit: Mapping[str, Any]) -> str | None:
    """Return why nothing may be tuned at a path, or None."""
    sections = ("model", "engine", "recipe")
    if not path or path[0] not in sections:
        where = str(path[0]) if path else "fit"
        near = "" if where in FitSpec.model_fields else did_you_mean(where, sections)
        return (
            'Expected {"tune": ...} for an argument of `model`, `engine` or a step of `recipe`. '
            f"Received one for '{where}'.{near}"
        )
    owner, rest = _owner(path, fit)
    if not rest or path == ("engine", "optimizer", "name"):
        return (
            'Expected {"tune": ...} for single arguments. Received one for '
            f"'{'.'.join(map(str, path))}' as a whole."
        )
    name = str(rest[0])
    reason = _NOT_OPEN.get("step" if path[0] == "recipe" and name == "step" else f"{owner}.{name}")
    if reason is not None:
        return f"Expected no {{\"tune\": ...}} for '{name}': {reason}. Give it a value."
    schema = _owners().get(owner)
    if schema is not None and name not in schema.model_fields:
        known = [field for field in schema.model_fields if field not in ("step", "name")]
        return (
            f"Expected no argument '{name}' of {owner}.{did_you_mean(name, known)} "
            f"Known: {', '.join(known)}."
        )
    return None


def _wrong_id(each: Placeholder, others: list[Placeholder]) -> str | None:
    if not re.match(NAME_PATTERN, each.id):
        return (
            "Expected an id of 1 to 64 letters, digits, '.', '_' or '-', not starting with one of "
            f"the last three. Received '{each.id[:64]}'."
        )
    if each.id in RESERVED_IDS:
        return (
            f"Expected an id other than '{each.id}', which a row of trials needs itself. "
            f"Received it for {each.argument}."
        )
    if others and others[0].argument != each.argument:
        return (
            f"Expected each id for one argument. Received '{each.id}' for {others[0].argument} "
            f'and for {each.argument}. Give them ids, such as {{"tune": "{each.id}_2"}}.'
        )
    return None


def _put(node: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    copy: Any = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = _put(copy[path[0]], path[1:], value)
    return copy


def _error(path: Path, msg: str) -> FieldError:
    return FieldError(loc=("body", "fit", *path), msg=msg)
