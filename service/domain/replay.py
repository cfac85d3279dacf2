"""Training a job again: what it needs, and whether the same weights came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.domain.jobs import Difference, Environment, Replay


def report(asked: Replay, then: Environment, weights_sha256: str, now: Environment) -> Replay:
    """Return what a replay found: whether the weights are the same, and what else is not.

    Args:
        asked: the replay as it was submitted, with the hash of the first job's weights.
        then: where the first job was trained.
        weights_sha256: hash of the weights that came out now (`service.domain.network`).
        now: where they came out.

    Returns:
        `asked` with `weights_sha256`, with `same`, and with `differences`: of the device under the
        name "device", then of every entry of `versions` by name. They are told even where the
        weights are the same, because that is worth knowing too.
    """
    parts_then, parts_now = _parts(then), _parts(now)
    names = dict.fromkeys(["device", *sorted(then.versions.keys() | now.versions.keys())])
    differences = tuple(
        Difference(name=name, then=parts_then.get(name), now=parts_now.get(name))
        for name in names
        if parts_then.get(name) != parts_now.get(name)
    )
    return Replay(
        of=asked.of,
        expected_sha256=asked.expected_sha256,
        weights_sha256=weights_sha256,
        same=weights_sha256 == asked.expected_sha256,
        differences=differences,
    )


def datasets_that_train(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names by which a stored fit spec means the datasets that decide its weights.

    Those are the training data and the validation data, on which early stopping may look; the
    datasets of `evaluate` change no weight, so a replay does without them.
    """
    validation = spec.get("engine", {}).get("validation_dataset")
    return tuple(dict.fromkeys(name for name in (spec["dataset"], validation) if name is not None))


def _parts(environment: Environment) -> dict[str, str]:
    return {**environment.versions, "device": environment.device}
