"""The cache of predictors: bounded, one load, verified, and alive while the storage is not."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.domain.errors import Unavailable
from service.engine.artifact import publish, write
from service.engine.recipe import MemoryColumns
from service.serving import Predictors
from tests.engine.damages import damages
from tests.engine.fitted_models import fitted_model, training

COLUMNS = training()


def published(root: Path, seed: int) -> tuple[str, str]:
    staging = root / "staging" / f"job.{seed}"
    write(staging, fitted_model(COLUMNS, seed=seed))
    return publish(staging, root)


def test_a_published_artifact_predicts_and_is_loaded_once(tmp_path: Path) -> None:
    path, sha256 = published(tmp_path, 1)
    predictors = Predictors(tmp_path, capacity=2)
    first = predictors.get(path, sha256)
    assert first.predict(MemoryColumns(COLUMNS)).prob.shape == (40, 3)
    assert predictors.get(path, sha256) is first
    assert len(predictors) == 1


def test_concurrent_first_requests_share_one_load(tmp_path: Path) -> None:
    path, sha256 = published(tmp_path, 1)
    predictors = Predictors(tmp_path)
    together = threading.Barrier(16)

    def ask(_: int) -> int:
        together.wait()
        return id(predictors.get(path, sha256))

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1


def test_the_least_recently_used_makes_room_and_whoever_holds_it_goes_on(tmp_path: Path) -> None:
    places = [published(tmp_path, seed) for seed in range(4)]
    predictors = Predictors(tmp_path, capacity=2)
    held = [predictors.get(*place) for place in places[:2]]
    assert predictors.get(*places[0]) is held[0]
    predictors.get(*places[2])
    assert len(predictors) == 2
    assert predictors.get(*places[0]) is held[0]
    assert predictors.get(*places[1]) is not held[1]
    assert np.array_equal(
        held[1].predict(MemoryColumns(COLUMNS)).raw,
        predictors.get(*places[1]).predict(MemoryColumns(COLUMNS)).raw,
    )


def test_many_threads_over_more_models_than_fit_get_each_its_own(tmp_path: Path) -> None:
    places = [published(tmp_path, seed) for seed in range(5)]
    source = MemoryColumns(COLUMNS)
    wanted = [Predictors(tmp_path).get(*place).predict(source).raw for place in places]
    predictors = Predictors(tmp_path, capacity=2)

    def ask(turn: int) -> bool:
        which = turn * 7 % 5
        raw = predictors.get(*places[which]).predict(source).raw
        return bool(np.array_equal(raw, wanted[which])) and len(predictors) <= 2

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(100)))


def test_what_is_loaded_answers_while_its_files_are_gone(tmp_path: Path) -> None:
    path, sha256 = published(tmp_path, 1)
    predictors = Predictors(tmp_path)
    first = predictors.get(path, sha256)
    shutil.rmtree(tmp_path / "artifacts")
    assert predictors.get(path, sha256) is first
    with pytest.raises(Unavailable, match="Restore the storage folder"):
        Predictors(tmp_path).get(path, sha256)


def test_a_failed_load_is_told_to_all_that_wait_and_tried_again(tmp_path: Path) -> None:
    path, sha256 = published(tmp_path, 1)
    weights = tmp_path / path / "weights.npz"
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1])
    predictors = Predictors(tmp_path)

    def ask(_: int) -> str:
        with pytest.raises(Unavailable) as caught:
            predictors.get(path, sha256)
        return caught.value.detail

    with ThreadPoolExecutor(4) as pool:
        assert all("weights.npz" in detail for detail in pool.map(ask, range(4)))
    assert len(predictors) == 0
    weights.write_bytes(sound)
    assert predictors.get(path, sha256).levels == ("a", "b", "c")


def test_messages_name_no_folder_of_the_machine(tmp_path: Path) -> None:
    for path in ("artifacts/ab/abc", "../outside", "/etc"):
        with pytest.raises(Unavailable) as caught:
            Predictors(tmp_path).get(path, "ab" * 32)
        assert str(tmp_path) not in caught.value.detail


def test_a_path_that_leads_out_of_the_storage_is_not_followed(tmp_path: Path) -> None:
    path, sha256 = published(tmp_path / "other", 1)
    (tmp_path / "root").mkdir()
    with pytest.raises(Unavailable, match="leads out"):
        Predictors(tmp_path / "root").get(f"../other/{path}", sha256)


def test_a_deleted_model_is_forgotten(tmp_path: Path) -> None:
    place = published(tmp_path, 1)
    predictors = Predictors(tmp_path)
    first = predictors.get(*place)
    predictors.forget(*place)
    predictors.forget(*place)
    assert len(predictors) == 0
    assert predictors.get(*place) is not first


def test_a_capacity_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="capacity of at least 1"):
        Predictors(tmp_path, capacity=0)


def test_a_damaged_model_answers_as_before_or_not_at_all(tmp_path: Path) -> None:
    wide = training(columns=30)
    staging = tmp_path / "staging" / "job.1"
    write(staging, fitted_model(wide, hidden=(200,)))
    path, sha256 = publish(staging, tmp_path)
    source = MemoryColumns(wide)
    sound = Predictors(tmp_path).get(path, sha256).predict(source).raw
    refused = answered = 0
    for file in sorted((tmp_path / path).iterdir()):
        whole = file.read_bytes()
        for damaged in damages(whole, flips=150):
            file.write_bytes(damaged)
            try:
                found = Predictors(tmp_path).get(path, sha256)
            except Unavailable:
                refused += 1
                continue
            # Nothing of this file is needed to predict.
            assert file.name in ("model.keras", "summary.txt")
            assert np.array_equal(found.predict(source).raw, sound)
            answered += 1
        file.write_bytes(whole)
    assert refused + answered > 1000
    assert refused > 700
    assert np.array_equal(Predictors(tmp_path).get(path, sha256).predict(source).raw, sound)
