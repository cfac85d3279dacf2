from __future__ import annotations

import hashlib
from typing import Any

import pytest

from service.domain.jobs import Difference, Environment, Replay
from service.domain.replay import datasets_that_train, report

SHA = hashlib.sha256(b"weights").hexdigest()
OTHER = hashlib.sha256(b"other weights").hexdigest()
ASKED = Replay(of="job_a", expected_sha256=SHA)
HERE = Environment(device="cpu: 2 cores", versions={"keras": "3.15.1", "threads": "1", "xla": ""})


def test_a_replay_that_was_only_asked_for_says_nothing_yet() -> None:
    assert (ASKED.weights_sha256, ASKED.same, ASKED.differences) == (None, None, ())


def test_the_same_weights_in_the_same_environment_are_all_there_is_to_say() -> None:
    told = report(ASKED, HERE, SHA, HERE.model_copy())
    assert told == Replay(of="job_a", expected_sha256=SHA, weights_sha256=SHA, same=True)


def test_other_weights_in_the_same_environment_blame_nothing() -> None:
    told = report(ASKED, HERE, OTHER, HERE)
    assert (told.same, told.weights_sha256, told.expected_sha256) == (False, OTHER, SHA)
    assert told.differences == ()


def test_every_part_that_differs_is_told_the_device_first_and_the_rest_by_name() -> None:
    now = Environment(
        device="gpu: H100", versions={"threads": "2", "keras": "3.15.1", "cuda": "13", "xla": ""}
    )
    then = HERE.model_copy(update={"versions": {**HERE.versions, "processor": "Xeon"}})
    assert report(ASKED, then, OTHER, now).differences == (
        Difference(name="device", then="cpu: 2 cores", now="gpu: H100"),
        Difference(name="cuda", then=None, now="13"),
        Difference(name="processor", then="Xeon", now=None),
        Difference(name="threads", then="1", now="2"),
    )


def test_an_entry_without_a_value_is_not_one_that_is_missing() -> None:
    now = HERE.model_copy(update={"versions": {"keras": "3.15.1", "threads": "1"}})
    told = report(ASKED, HERE, SHA, now)
    assert told.same is True
    assert told.differences == (Difference(name="xla", then="", now=None),)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"dataset": "a"}, ("a",)),
        ({"dataset": "a", "evaluate": [{"dataset": "t"}]}, ("a",)),
        ({"dataset": "a", "engine": {"validation_dataset": None}}, ("a",)),
        ({"dataset": "a", "engine": {"validation_dataset": "v"}}, ("a", "v")),
        ({"dataset": "a", "engine": {"validation_dataset": "a"}}, ("a",)),
    ],
)
def test_training_and_validation_data_are_needed_and_test_data_are_not(
    spec: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert datasets_that_train(spec) == names
