"""Endings, histories and bits of a training."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from service.domain.fit import EarlyStopping
from service.domain.network import weights_sha256
from service.engine.training.rows import Rows
from service.engine.training.train import train

if TYPE_CHECKING:
    from service.domain.history import EpochRecord
    from tests.engine.training.conftest import Small

SHUFFLE = 5


def _hash_in_a_process(seeds: tuple[int, int, int]) -> str:
    from tests.engine.training.conftest import Small

    small = Small()
    member = small.member(hidden_units=6, activation="relu", dropout=0.2, epochs=3)
    member = replace(member, seeds=seeds)
    trained = train([member], small.objective(), SHUFFLE, small.rows())[0]
    return weights_sha256(trained.weights)


def test_two_processes_train_the_same_bits() -> None:
    seeds = (1, 2, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(_hash_in_a_process, (seeds,))
    assert other == _hash_in_a_process(seeds)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_of_the_three_seeds_decides_some_bits(place: int) -> None:
    seeds = [1, 2, 3]
    seeds[place] += 1
    assert _hash_in_a_process((seeds[0], seeds[1], seeds[2])) != _hash_in_a_process((1, 2, 3))


def test_a_member_trains_the_same_bits_alone_and_packed(small: Small) -> None:
    members = [
        small.member(hidden_units=30, activation="relu", penalty=0.01, epochs=3),
        small.member(hidden_units=5, activation="softmax", epochs=4, learn_rate=0.01),
        small.member(hidden_units=50, activation="elu", epochs=2),
        small.member(
            hidden_units=100, activation="relu", epochs=3, engine={"class_weight": {"a": 2.0}}
        ),
    ]
    packed = train(members, small.objective(), SHUFFLE, small.rows(0, 300), small.rows(300))
    for member, trained in zip(members, packed, strict=True):
        alone = train([member], small.objective(), SHUFFLE, small.rows(0, 300), small.rows(300))[0]
        assert weights_sha256(alone.weights) == weights_sha256(trained.weights)
        assert [r.values for r in alone.history] == [r.values for r in trained.history]


def test_records_arrive_epoch_by_epoch_and_end_with_each_member(small: Small) -> None:
    members = [
        small.member(hidden_units=3, epochs=2),
        small.member(hidden_units=4, epochs=4),
    ]
    told: list[tuple[EpochRecord, ...]] = []
    results = train(members, small.objective(), SHUFFLE, small.rows(), on_epoch=told.append)
    assert [[(r.trial, r.epoch) for r in records] for records in told] == [
        [(1, 1), (2, 1)],
        [(1, 2), (2, 2)],
        [(2, 3)],
        [(2, 4)],
    ]
    assert [result.ending for result in results] == ["completed", "completed"]


def test_early_stopping_ends_patience_epochs_after_the_best(small: Small) -> None:
    rule = EarlyStopping(monitor="val_loss", patience=4)
    member = replace(
        small.member(hidden_units=20, activation="relu", epochs=500, learn_rate=0.02),
        early_stopping=rule,
    )
    trained = train([member], small.objective(), SHUFFLE, small.rows(0, 250), small.rows(250))[0]
    losses = [record.values["val_loss"] for record in trained.history]
    assert trained.ending == "early_stopping"
    assert trained.stopped_epoch == len(losses) < 500
    assert trained.best_epoch == int(np.argmin(losses)) + 1
    assert trained.stopped_epoch - trained.best_epoch == 4


def test_restored_weights_are_those_of_the_best_epoch(small: Small) -> None:
    member = small.member(hidden_units=20, activation="relu", epochs=500, learn_rate=0.02)
    rule = EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True)
    rows, validation = small.rows(0, 250), small.rows(250)
    stopped = train(
        [replace(member, early_stopping=rule)], small.objective(), SHUFFLE, rows, validation
    )[0]
    assert stopped.best_epoch is not None
    cut = train(
        [replace(member, epochs=stopped.best_epoch)], small.objective(), SHUFFLE, rows, validation
    )[0]
    assert weights_sha256(stopped.weights) == weights_sha256(cut.weights)


def test_a_stopped_member_keeps_its_bits_while_others_train_on(small: Small) -> None:
    for optimizer in ({"name": "adam"}, {"name": "sgd", "momentum": 0.9}, {"name": "adamw"}):
        objective = small.objective(optimizer=optimizer)
        short = small.member(hidden_units=40, activation="relu", epochs=2)
        long = small.member(hidden_units=40, activation="relu", epochs=6)
        packed = train([short, long], objective, SHUFFLE, small.rows())
        alone = train([short], objective, SHUFFLE, small.rows())
        assert weights_sha256(packed[0].weights) == weights_sha256(alone[0].weights)


def _exploding(small: Small) -> Rows:
    rows = small.rows(mode="regression")
    return replace(rows, x=rows.x * 1e15, y=rows.y * 1e15)


def test_a_diverged_member_ends_and_its_history_says_so(small: Small) -> None:
    member = small.member(mode="regression", hidden_units=3, activation="linear", epochs=9)
    objective = small.objective("regression", optimizer={"name": "sgd"})
    trained = train([member], objective, SHUFFLE, _exploding(small))[0]
    assert trained.ending == "diverged"
    assert trained.history[-1].diverged
    row = trained.history[-1].as_row()
    assert row["loss"] is None
    assert row["diverged"] is True


def test_without_terminate_on_nan_a_diverged_member_trains_to_the_end(small: Small) -> None:
    member = small.member(mode="regression", hidden_units=3, activation="linear", epochs=3)
    member = replace(member, terminate_on_nan=False)
    objective = small.objective("regression", optimizer={"name": "sgd"})
    trained = train([member], objective, SHUFFLE, _exploding(small))[0]
    assert trained.ending == "completed"
    assert len(trained.history) == 3
    assert not math.isfinite(trained.history[-1].values["loss"])


def test_a_neighbour_that_diverges_changes_nobody_s_bits(small: Small) -> None:
    healthy = small.member(hidden_units=40, activation="relu", epochs=3)
    wild = replace(small.member(hidden_units=40, activation="linear", epochs=3), learn_rate=1e38)
    objective = small.objective(optimizer={"name": "sgd"})
    packed = train([wild, healthy], objective, SHUFFLE, small.rows())
    alone = train([healthy], objective, SHUFFLE, small.rows())
    assert packed[0].ending == "diverged"
    assert weights_sha256(packed[1].weights) == weights_sha256(alone[0].weights)


def test_a_stop_asked_for_ends_after_the_epoch_in_progress(small: Small) -> None:
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) == 2

    member = small.member(hidden_units=3, epochs=9)
    trained = train([member], small.objective(), SHUFFLE, small.rows(), should_stop=should_stop)[0]
    assert trained.ending == "cancelled"
    assert len(trained.history) == 2


def test_the_time_limit_ends_after_the_epoch_that_passes_it(small: Small) -> None:
    member = small.member(hidden_units=3, epochs=10_000)
    trained = train([member], small.objective(), SHUFFLE, small.rows(), max_seconds=1e-9)[0]
    assert trained.ending == "max_seconds"
    assert len(trained.history) == 1


def test_validation_sees_the_penalty_of_the_epoch_s_end_and_no_dropout(small: Small) -> None:
    from service.engine.training.network import keras_model

    member = small.member(hidden_units=8, activation="relu", penalty=0.05, epochs=2)
    trained = train(
        [member],
        small.objective(metrics=("accuracy",)),
        SHUFFLE,
        small.rows(0, 250),
        small.rows(250),
    )[0]
    x = small.unpadded(small.rows(250)).x
    probabilities = np.asarray(keras_model(member.network, trained.weights)(x))
    accuracy = float(np.mean(np.argmax(probabilities, axis=1) == small.codes[250:]))
    assert trained.history[-1].values["val_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    kernel = trained.weights[0].astype(np.float64)
    logits = np.maximum(x @ kernel + trained.weights[1], 0) @ trained.weights[2]
    logits += trained.weights[3]
    y = small.one_hot[250:]
    data_loss = np.mean(np.logaddexp(0, logits) - logits * y)
    # float32 sums over 83 rows against float64 ones.
    assert trained.history[-1].values["val_loss"] == pytest.approx(
        data_loss + 0.05 * np.sum(kernel**2), rel=1e-5
    )
