"""A checkpoint: one file with all that an interrupted training needs to go on to the same bits.

The first line is the sha256 of everything behind it; then a JSON line (what was trained, where, and
each member's history and stopping state); then the arrays as numpy's npz. It is written aside,
fsynced and renamed. The two newest are kept: a torn or flipped one is refused by its hash, and the
one before is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from service.domain.history import EpochRecord
from service.engine.training.network import Weights
from service.engine.training.states import MemberState
from service.engine.training.stopping import Stopping

_KEPT = 2
_SUFFIX = ".checkpoint"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a checkpoint belongs to.

    `rows` names what the cohort trains on by hashes, `fits` names each member: of a checkpoint with
    other rows, or without one of the members, nothing is used. `environment` is where it was
    trained: on another one the training goes on, but not to the same bits.
    """

    rows: Mapping[str, str]
    fits: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a training stood, and in which environment."""

    epoch: int
    environment: Mapping[str, str]
    states: tuple[MemberState, ...]


def write(folder: Path, identity: Identity, states: Sequence[MemberState]) -> int:
    """Make states durable in `folder`; return the epoch, which names the file."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch = max(state.epoch for state in states)
    body = _body(identity, states)
    digest = hashlib.sha256(body).hexdigest().encode("ascii")
    aside = folder / f"{uuid.uuid4().hex}.tmp"
    with aside.open("wb") as stream:
        stream.write(digest + b"\n")
        stream.write(body)
        stream.flush()
        os.fsync(stream.fileno())
    aside.rename(folder / f"{epoch:08d}{_SUFFIX}")
    _sync(folder)
    for old in _newest_first(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return epoch


def newest(folder: Path, identity: Identity) -> Checkpoint | None:
    """Return the states of some fits in the newest sound checkpoint, or None when there is none.

    It may hold more of them: members that had ended when the training was interrupted are not
    trained again.
    """
    for path in _newest_first(folder):
        found = _read(path, identity)
        if found is not None:
            return found
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"), reverse=True)


def _body(identity: Identity, states: Sequence[MemberState]) -> bytes:
    arrays: dict[str, Any] = {}
    described = []
    for index, (fit, state) in enumerate(zip(identity.fits, states, strict=True)):
        groups = {"weights": state.weights}
        groups |= {f"slot{number}": slot for number, slot in enumerate(state.slots)}
        if state.restored is not None:
            groups["restored"] = state.restored
        for group, own in groups.items():
            arrays |= {f"{index}/{group}/{place}": array for place, array in enumerate(own)}
        described.append(
            {
                "fit": fit,
                "groups": {group: len(own) for group, own in groups.items()},
                "shared": state.shared,
                "stopping": asdict(state.stopping),
                "history": [record.model_dump() for record in state.history],
                "ending": state.ending,
            }
        )
    head = {
        "format": 2,
        "rows": dict(identity.rows),
        "environment": dict(identity.environment),
        "members": described,
    }
    packed = BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return json.dumps(head).encode("utf-8") + b"\n" + packed.getvalue()


def _read(path: Path, identity: Identity) -> Checkpoint | None:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        return None
    line, _, packed = body.partition(b"\n")
    head = json.loads(line)
    if head["format"] != 2 or head["rows"] != dict(identity.rows):
        return None
    places = {described["fit"]: index for index, described in enumerate(head["members"])}
    if not places.keys() >= set(identity.fits):
        return None
    with np.load(BytesIO(packed), allow_pickle=False) as arrays:
        states = tuple(
            _state(place, places[fit], head["members"][places[fit]], arrays)
            for place, fit in enumerate(identity.fits)
        )
    return Checkpoint(
        epoch=max(state.epoch for state in states),
        environment=head["environment"],
        states=states,
    )


def _state(
    place: int, index: int, described: Mapping[str, Any], arrays: Mapping[str, Any]
) -> MemberState:
    """Return the state that was kept as number `index`, as that of the member at `place`."""
    groups: dict[str, Weights] = {
        group: tuple(arrays[f"{index}/{group}/{place}"] for place in range(count))
        for group, count in described["groups"].items()
    }
    n_slots = sum(group.startswith("slot") for group in groups)
    return MemberState(
        weights=groups["weights"],
        slots=tuple(groups[f"slot{number}"] for number in range(n_slots)),
        shared=described["shared"],
        stopping=Stopping(**described["stopping"]),
        history=tuple(
            EpochRecord.model_validate({**record, "trial": place + 1})
            for record in described["history"]
        ),
        restored=groups.get("restored"),
        ending=described["ending"],
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
