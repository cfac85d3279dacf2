"""Bodies of the Open Inference Protocol: JSON, with tensors in it or as bytes behind it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, JsonValue, ValidationError, WithJsonSchema

from service.api.answers import encode
from service.api.json_text import read_json
from service.api.problem_kinds import UnreadableBody
from service.api.problems import MAX_ECHO, clip
from service.api.validation import invalid, invalid_fields
from service.domain.errors import FieldError, FitpointError
from service.domain.names import did_you_mean
from service.domain.schema import Spec
from service.engine.prediction_tensors import BOOLEAN, NUMBERS, TEXT, Tensor

_LENGTH = struct.Struct("<I")
_FLOATS = frozenset(("FP64", "FP32", "FP16"))


class InputParameters(Spec):
    """Where a tensor's bytes are; `content_type`, a hint of MLServer's clients, changes nothing."""

    binary_data_size: int | None = Field(default=None, ge=0)
    content_type: str | None = None


class InferInput(Spec):
    """A tensor that is sent: `data` flat or nested by its shape, or bytes behind the JSON."""

    name: str = Field(min_length=1, max_length=256)
    datatype: str
    shape: list[int] = Field(max_length=8)
    parameters: InputParameters | None = None
    # Looked at once, by its datatype: pydantic would look at each value before.
    data: Annotated[Any, WithJsonSchema({"type": "array", "items": {}})] = None


class OutputParameters(Spec):
    """Whether an output comes as bytes behind the JSON."""

    binary_data: bool | None = None
    content_type: str | None = None


class InferOutput(Spec):
    """A tensor that is asked for."""

    name: str
    parameters: OutputParameters | None = None


class InferParameters(Spec):
    """`type` chooses the outputs; `binary_data_output` asks for all of them as bytes."""

    type: str | list[str] | None = None
    binary_data_output: bool = False
    content_type: str | None = None


class InferBody(Spec):
    """A request of the Open Inference Protocol."""

    id: str | None = Field(default=None, max_length=256)
    parameters: InferParameters | None = None
    inputs: list[InferInput] = Field(min_length=1, max_length=4096)
    outputs: list[InferOutput] | None = Field(default=None, max_length=16)


class InferTensor(BaseModel):
    """A tensor of an answer."""

    name: str
    datatype: str
    shape: list[int]
    data: list[JsonValue] | None = None
    parameters: dict[str, JsonValue] | None = None


class InferAnswer(BaseModel):
    """An answer of the Open Inference Protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferTensor]


def read_infer(raw: bytes, header_length: str | None) -> tuple[InferBody, list[Tensor]]:
    """Return what a request asks and the tensors that it sends.

    Args:
        raw: the body.
        header_length: the header Inference-Header-Content-Length: how many bytes are JSON, None for
            all of them.

    Raises:
        UnreadableBody: it is not JSON, or has more or fewer bytes than it tells of.
        InvalidSpec: it is not what the protocol describes, or a tensor is not what it says.
    """
    end = len(raw)
    if header_length is not None:
        if not header_length.isascii() or not header_length.isdecimal() or len(header_length) > 12:
            raise UnreadableBody(
                "Expected a number of bytes in the header Inference-Header-Content-Length. "
                f"Received '{clip(header_length, MAX_ECHO)}'."
            )
        end = int(header_length)
    if end > len(raw):
        raise UnreadableBody(f"Expected {end:,} bytes of JSON. Received {len(raw):,} in all.")
    value = read_json(raw[:end])
    try:
        body = InferBody.model_validate(value)
    except ValidationError as error:
        raise invalid(error, InferBody, "body") from None
    rest, tensors = memoryview(raw)[end:], []
    for place, sent in enumerate(body.inputs):
        size = sent.parameters.binary_data_size if sent.parameters is not None else None
        if size is not None and size > len(rest):
            raise UnreadableBody(
                f"Expected {size:,} bytes of input '{clip(sent.name, MAX_ECHO)}'. "
                f"Received {len(rest):,}. The header Inference-Header-Content-Length says where "
                "the JSON ends."
            )
        own, rest = (None, rest) if size is None else (bytes(rest[:size]), rest[size:])
        tensors.append(_tensor(sent, own, ("body", "inputs", place)))
    if len(rest):
        raise UnreadableBody(f"Expected no bytes behind the last tensor. Received {len(rest):,}.")
    return body, tensors


def write_infer(
    head: dict[str, Any], tensors: Sequence[Tensor], body: InferBody
) -> tuple[bytes, int | None]:
    """Return an answer's body and how many of its bytes are JSON, None for all of them."""
    everything = body.parameters is not None and body.parameters.binary_data_output
    asked = {each.name: each.parameters for each in body.outputs or ()}
    told, behind = [], []
    for tensor in tensors:
        parameters = asked.get(tensor.name)
        binary = parameters.binary_data if parameters is not None else None
        shape = list(tensor.values.shape)
        one: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": shape}
        if everything if binary is None else binary:
            behind.append(_as_bytes(tensor))
            one["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            one["data"] = tensor.values.reshape(-1).tolist()
        told.append(one)
    text = encode({**head, "outputs": told})
    return b"".join((text, *behind)), len(text) if behind else None


def _tensor(sent: InferInput, raw: bytes | None, loc: tuple[str | int, ...]) -> Tensor:
    known = (*NUMBERS, TEXT, BOOLEAN)
    if sent.datatype not in known:
        near = did_you_mean(clip(sent.datatype, MAX_ECHO), known)
        msg = (
            f"Expected one of {', '.join(known)}. Received '{clip(sent.datatype, MAX_ECHO)}'.{near}"
        )
        raise _wrong(msg, *loc, "datatype")
    if any(length < 0 for length in sent.shape):
        raise _wrong(f"Expected lengths of 0 or more. Received {sent.shape}.", *loc, "shape")
    if (raw is None) == (sent.data is None):
        both = "neither" if raw is None else "both"
        raise _wrong(f"Expected `data`, or bytes behind the JSON. Received {both}.", *loc, "data")
    count = math.prod(sent.shape)
    cells = _cells(sent, loc) if raw is None else _from_bytes(sent.datatype, raw, loc)
    if len(cells) != count:
        raise _wrong(
            f"Expected {count:,} values, as the shape {sent.shape} says. Received {len(cells):,}.",
            *loc,
            "data",
        )
    values = cells if isinstance(cells, np.ndarray) else _typed(sent.datatype, cells, loc)
    return Tensor(name=sent.name, datatype=sent.datatype, values=values.reshape(sent.shape))


def _cells(sent: InferInput, loc: tuple[str | int, ...]) -> list[Any]:
    """Return a tensor's values one after the other, whether they were sent nested or not."""
    if not isinstance(sent.data, list):
        raise _wrong("Expected a list. Received another JSON value.", *loc, "data")
    cells: list[Any] = sent.data
    for _ in sent.shape[1:]:
        nested = [isinstance(cell, list) for cell in cells]
        if not any(nested):
            break
        if not all(nested):
            raise _wrong("Expected lists of one depth. Received lists and values.", *loc, "data")
        cells = list(chain.from_iterable(cells))
    return cells


def _typed(datatype: str, cells: list[Any], loc: tuple[str | int, ...]) -> NDArray[Any]:
    kinds: dict[str, tuple[type, ...]] = {TEXT: (str,), BOOLEAN: (bool,)}
    allowed = kinds.get(datatype, (int, float, type(None)) if datatype in _FLOATS else (int,))
    if not set(map(type, cells)) <= set(allowed):
        place = next(at for at, cell in enumerate(cells) if type(cell) not in allowed)
        received = clip(repr(cells[place]), MAX_ECHO)
        raise _wrong(f"Expected values of {datatype}. Received {received}.", *loc, "data", place)
    if datatype in kinds:
        return np.array(cells, dtype=object if datatype == TEXT else np.bool_)
    try:
        # In float64, which holds what JSON can say; null is missing.
        wide = np.float64 if datatype in _FLOATS else NUMBERS[datatype]
        return np.array(cells, dtype=wide)
    except OverflowError:
        raise _wrong(f"Expected values of {datatype}. One is too large.", *loc, "data") from None


def _from_bytes(datatype: str, raw: bytes, loc: tuple[str | int, ...]) -> NDArray[Any]:
    if datatype == TEXT:
        return _texts(raw, loc)
    dtype = np.dtype(np.bool_) if datatype == BOOLEAN else NUMBERS[datatype]
    if len(raw) % dtype.itemsize:
        raise _wrong(f"Expected whole values of {datatype}. Received {len(raw):,} bytes.", *loc)
    if datatype == BOOLEAN and raw.strip(b"\0\1"):
        raise _wrong("Expected bytes of 0 or 1. Received others.", *loc)
    return np.frombuffer(raw, dtype=dtype)


def _texts(raw: bytes, loc: tuple[str | int, ...]) -> NDArray[Any]:
    """Return the texts that each have their length, 4 bytes, before them."""
    found, at = [], 0
    while at < len(raw):
        start = at + _LENGTH.size
        length = _LENGTH.unpack_from(raw, at)[0] if start <= len(raw) else 0
        at = start + length
        if at > len(raw):
            raise _wrong("Expected each text after its length. Received fewer bytes.", *loc)
        try:
            found.append(raw[start:at].decode())
        except UnicodeDecodeError:
            raise _wrong(f"Expected texts in UTF-8. Number {len(found)} is not.", *loc) from None
    return np.array(found, dtype=object)


def _as_bytes(tensor: Tensor) -> bytes:
    if tensor.datatype != TEXT:
        return np.ascontiguousarray(tensor.values, dtype=NUMBERS[tensor.datatype]).tobytes()
    texts = (text.encode("utf-8", "replace") for text in tensor.values.reshape(-1).tolist())
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _wrong(msg: str, *loc: str | int) -> FitpointError:
    return invalid_fields([FieldError(loc=loc, msg=msg)])
