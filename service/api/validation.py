"""Words for what pydantic found: clean places, what was expected, the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.api.problems import MAX_ECHO, MAX_ERRORS, clip
from service.domain.errors import FieldError, FitpointError, InvalidSpec
from service.domain.names import NAME_PATTERN, did_you_mean

Schema = Mapping[str, Any]
Loc = tuple[str | int, ...]

# Of a union's alternatives each gives its own errors: look at more than are shown.
_LOOKED_AT = 10 * MAX_ERRORS
_SCALAR_ERRORS = frozenset(
    ("int_type", "float_type", "string_type", "bool_type", "literal_error", "int_from_float")
)
_QUOTED = re.compile(r"'([^']*)'")
_SHOULD = re.compile(
    r"^(?P<what>\w+) should (?P<verb>have|match) (?P<rest>.*?)"
    r"(?: after validation)?(?:, not .*)?$"
)


def invalid(error: ValidationError, model: type[BaseModel], *root: str | int) -> InvalidSpec:
    """Return the error that tells of every field that `model` refused, placed below `root`."""
    details = error.errors(include_url=False)
    fields = _without_shadows(
        [_field_error(detail, model, root) for detail in details[:_LOOKED_AT]]
    )
    return invalid_fields(fields)


def invalid_fields(fields: Sequence[FieldError]) -> InvalidSpec:
    """Return the error whose detail is the first field's message."""
    first = fields[0]
    place = ".".join(str(part) for part in first.loc[1:])
    detail = f"{clip(place, MAX_ECHO)}: {first.msg}" if place else first.msg
    return InvalidSpec(detail, errors=fields)


@contextmanager
def placed(*root: str | int) -> Iterator[None]:
    """Put the places of every error raised inside below `root`, such as "body"."""
    try:
        yield
    except FitpointError as error:
        fields = [f.model_copy(update={"loc": (*root, *f.loc)}) for f in error.errors]
        raise type(error)(error.detail, errors=fields) from error


def plain_field(detail: Any) -> FieldError:
    """Return the error of a parameter, whose place needs no tidying."""
    loc = tuple(part for part in detail["loc"])
    if detail["type"] == "missing":
        return FieldError(loc=loc, msg=f"Expected the parameter '{loc[-1]}'. It is not there.")
    msg, expected = _sentence(detail, ())
    received = shown(detail["input"])
    return FieldError(
        loc=loc, msg=f"{msg} Received {received}.", expected=expected, received=received
    )


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema()


def _alternatives(schemas: Iterable[Schema], root: Schema) -> list[Schema]:
    """Return the schemas with references followed and unions opened."""
    found: list[Schema] = []
    pending = list(schemas)
    while pending:
        schema = pending.pop(0)
        if "$ref" in schema:
            pending.append(root["$defs"][str(schema["$ref"]).rsplit("/", 1)[-1]])
        elif branches := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            pending.extend(branches)
        else:
            found.append(schema)
    return found


def _below(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        items = schema.get("items")
        return items if isinstance(items, Mapping) else None
    properties = schema.get("properties", {})
    if part in properties:
        found: Schema = properties[part]
        return found
    other = schema.get("additionalProperties")
    return other if isinstance(other, Mapping) else None


def _is_branch(schema: Schema, label: str) -> bool:
    """Return whether a union calls this alternative by `label`: its tag or its title."""
    constants = [field.get("const") for field in schema.get("properties", {}).values()]
    return label in constants or schema.get("title") == label


def _locate(loc: Loc, root: Schema) -> tuple[Loc, list[Schema]]:
    """Return the place without a union's labels, and the schemas that could stand there."""
    place: list[str | int] = []
    current = _alternatives([root], root)
    for part in loc:
        below = [found for schema in current if (found := _below(schema, part)) is not None]
        if below:
            place.append(part)
            current = _alternatives(below, root)
        elif isinstance(part, str):
            current = [schema for schema in current if _is_branch(schema, part)] or current
        else:
            place.append(part)
    return tuple(place), current


def _field_error(detail: ErrorDetails, model: type[BaseModel], root: Loc) -> FieldError:
    kind, loc = detail["type"], detail["loc"]
    absent = kind in ("extra_forbidden", "missing")
    place, schemas = _locate(loc[:-1] if absent else loc, _schema(model))
    received = shown(detail["input"])
    if kind == "extra_forbidden":
        name = str(loc[-1])
        known = sorted({field for schema in schemas for field in schema.get("properties", {})})
        msg = (
            f"Expected no field '{clip(name, MAX_ECHO)}' here.{did_you_mean(name, known)} "
            f"Known fields: {', '.join(known)}."
        )
        return FieldError(loc=(*root, *place, name), msg=msg)
    if kind == "missing":
        msg = f"Expected the field '{loc[-1]}'. It is not there."
        return FieldError(loc=(*root, *place, loc[-1]), msg=msg)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _tag_error(detail, (*root, *place), schemas)
    msg, expected = _sentence(detail, schemas)
    if kind == "value_error":
        return FieldError(loc=(*root, *place), msg=msg)
    return FieldError(
        loc=(*root, *place), msg=f"{msg} Received {received}.", expected=expected, received=received
    )


def _tag_error(detail: ErrorDetails, place: Loc, schemas: Sequence[Schema]) -> FieldError:
    context = detail.get("ctx", {})
    tag = str(context["discriminator"]).strip("'")
    fields = [schema.get("properties", {}).get(tag, {}) for schema in schemas]
    known = [str(field["const"]) for field in fields if "const" in field]
    found = str(context.get("tag", ""))
    msg = f"Expected '{tag}' to be one of {', '.join(known)}."
    if detail["type"] == "union_tag_invalid":
        msg += f" Received '{clip(found, MAX_ECHO)}'.{did_you_mean(found, known)}"
        return FieldError(loc=(*place, tag), msg=msg, expected=list(known), received=found)
    return FieldError(loc=(*place, tag), msg=f"{msg} It is not there.", expected=list(known))


def _sentence(detail: ErrorDetails, schemas: Sequence[Schema]) -> tuple[str, Any]:
    """Return what was expected, as a sentence and as a value."""
    kind, text, context = detail["type"], detail["msg"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"]), None
    if kind in ("literal_error", "enum"):
        known = [str(value) for schema in schemas for value in _constants(schema)]
        known = known or _QUOTED.findall(str(context.get("expected", "")))
        received = detail["input"]
        near = did_you_mean(received, known) if isinstance(received, str) else ""
        return f"Expected one of {', '.join(known)}.{near}", list(known)
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        if pattern == NAME_PATTERN:
            expected = "a name of 1 to 64 letters, digits, '.', '_' or '-', not starting with one"
            return f"Expected {expected} of the last three.", pattern
        return f"Expected text like {pattern}.", pattern
    if text.startswith("Input should be "):
        expected = text.removeprefix("Input should be ")
    elif match := _SHOULD.match(text):
        verb = "has" if match["verb"] == "have" else "matches"
        expected = f"a {match['what'].lower()} that {verb} {match['rest']}"
    else:
        return f"{text}.", None
    value = detail["input"]
    hint = ""
    if kind in _SCALAR_ERRORS and isinstance(value, list) and len(value) == 1:
        hint = " Send the value itself, not a list of one (in R: toJSON(auto_unbox = TRUE))."
    return f"Expected {expected}.{hint}", expected


def _constants(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def _without_shadows(fields: Sequence[FieldError]) -> list[FieldError]:
    """Merge what the alternatives of one union said of one place; a deeper place says more."""
    places = {field.loc for field in fields}
    merged: dict[Loc, FieldError] = {}
    for field in fields:
        deeper = any(
            len(loc) > len(field.loc) and loc[: len(field.loc)] == field.loc for loc in places
        )
        if deeper and field.expected is not None:
            continue
        earlier = merged.get(field.loc)
        if earlier is None:
            merged[field.loc] = field
        elif isinstance(field.expected, str) and isinstance(earlier.expected, str):
            expected = f"{earlier.expected} or {field.expected}"
            msg = f"Expected {expected}. Received {field.received}."
            merged[field.loc] = earlier.model_copy(update={"msg": msg, "expected": expected})
    return list(merged.values())


def shown(value: Any) -> str:
    """Return what was received, in at most 100 characters: a container only by its size."""
    match value:
        case str():
            return f"'{clip(value, MAX_ECHO - 2)}'"
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int():
            return str(value) if abs(value) < 10**20 else "an integer of more than 20 digits"
        case float():
            return repr(value)
        case list() | tuple():
            return f"a list of {len(value)} items" if len(value) != 1 else "a list of 1 item"
        case dict():
            return "an object"
        case _:
            return clip(type(value).__name__, MAX_ECHO)
