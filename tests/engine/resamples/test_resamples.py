"""Resamples keep what their definitions promise, for any table, seed and strata."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from sklearn.model_selection import StratifiedKFold

from service.domain.datasets import ReadOptions
from service.domain.errors import InvalidSpec, MissingValues
from service.domain.tune.resampling import Resamples
from service.domain.tune.sizes import sizes_of
from service.engine.resamples import (
    Resample,
    doubts_of,
    each_resample,
    resample,
    resample_table,
)
from service.engine.tables.ingest import ingest
from service.engine.tables.partition import partition
from service.engine.tables.table import Table

SPEC: TypeAdapter[Resamples] = TypeAdapter(Resamples)
Codes = NDArray[np.int64]


def spec(kind: str, **fields: Any) -> Resamples:
    return SPEC.validate_python({"kind": kind, **fields})


DRAWN = st.one_of(
    st.builds(lambda prop: {"kind": "validation_split", "prop": prop}, st.floats(0.2, 0.8)),
    st.builds(
        lambda a, b: {"kind": "validation_set", "prop": [a, b]},
        st.floats(0.2, 0.5),
        st.floats(0.2, 0.4),
    ),
    st.builds(
        lambda v, repeats: {"kind": "vfold", "v": v, "repeats": repeats},
        st.integers(2, 9),
        st.integers(1, 3),
    ),
    st.builds(lambda times: {"kind": "bootstrap", "times": times}, st.integers(1, 4)),
    st.builds(
        lambda prop, times: {"kind": "mc", "prop": prop, "times": times},
        st.floats(0.2, 0.8),
        st.integers(1, 4),
    ),
)
STRATA = st.lists(st.integers(0, 4), min_size=20, max_size=120).map(
    lambda codes: np.asarray(codes, dtype=np.int64)
)


@given(asked=DRAWN, strata=STRATA, seed=st.integers(0, 2**31 - 1))
@settings(max_examples=150, deadline=None)
def test_no_row_is_both_trained_on_and_judged(
    asked: dict[str, Any], strata: Codes, seed: int
) -> None:
    whole = SPEC.validate_python({**asked, "seed": seed})
    for each in resample(whole, len(strata), strata=strata):
        rows = [np.unique(each.analysis), each.assessment]
        rows += [] if each.testing is None else [each.testing]
        assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(len(strata)))
        assert all(len(part) > 0 and part.dtype == np.int64 for part in rows)
        assert all(np.all(np.diff(part) >= 0) for part in (each.analysis, each.assessment))


@given(asked=DRAWN, strata=STRATA, seed=st.integers(0, 2**31 - 1))
@settings(max_examples=100, deadline=None)
def test_sizes_are_known_before_any_row_is_drawn(
    asked: dict[str, Any], strata: Codes, seed: int
) -> None:
    whole = SPEC.validate_python({**asked, "seed": seed})
    sizes, found = sizes_of(whole, len(strata)), resample(whole, len(strata), strata=strata)
    assert sizes.resamples == len(found)
    assert sizes.analysis == min(len(each.analysis) for each in found)
    if sizes.assessment is not None:
        assert sizes.assessment == min(len(each.assessment) for each in found)


@given(asked=DRAWN, strata=STRATA, seed=st.integers(0, 2**31 - 1))
@settings(max_examples=100, deadline=None)
def test_every_stratum_keeps_its_share_to_the_row(
    asked: dict[str, Any], strata: Codes, seed: int
) -> None:
    whole = SPEC.validate_python({**asked, "seed": seed})
    in_table = np.bincount(strata)
    for each in resample(whole, len(strata), strata=strata):
        analysed = np.bincount(strata[each.analysis], minlength=len(in_table))
        if asked["kind"] == "bootstrap":
            assert np.array_equal(analysed, in_table)
        elif asked["kind"] == "vfold":
            assert np.all(np.abs((in_table - analysed) - in_table / asked["v"]) < 1)
        else:
            exact = len(each.analysis) / len(strata) * in_table
            # A sum of rounded products may miss a whole number by its last bit.
            assert np.all(np.abs(analysed - exact) < 1 + 1e-9)


@given(strata=STRATA, v=st.integers(2, 6), seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_folds_hold_the_counts_of_scikit_learn_s_stratified_folds(
    strata: Codes, v: int, seed: int
) -> None:
    # It refuses classes with fewer rows than folds.
    strata = np.repeat(strata, v)
    own = resample(spec("vfold", v=v, strata="y", seed=seed), len(strata), strata=strata)
    theirs = StratifiedKFold(v, shuffle=True, random_state=seed).split(strata, strata)

    def counts(rows: Codes) -> tuple[int, ...]:
        return tuple(np.bincount(strata[rows], minlength=5).tolist())

    assert sorted(counts(each.assessment) for each in own) == sorted(
        counts(assessed) for _, assessed in theirs
    )


@given(n_rows=st.integers(10, 300), v=st.integers(2, 10), repeats=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_each_row_is_judged_once_in_a_repeat(n_rows: int, v: int, repeats: int) -> None:
    if v == n_rows:
        repeats = 1
    found = resample(spec("vfold", v=v, repeats=repeats, seed=1), n_rows)
    for repeat in range(repeats):
        judged = [each.assessment for each in found[repeat * v : (repeat + 1) * v]]
        assert np.array_equal(np.sort(np.concatenate(judged)), np.arange(n_rows))
        assert max(map(len, judged)) - min(map(len, judged)) <= 1


@given(groups=STRATA, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_a_group_is_never_divided(groups: Codes, seed: int) -> None:
    v = len(np.unique(groups))
    if v < 2:
        return
    for folds in (None, 2):
        found = resample(
            spec("group_vfold", group="g", v=folds, seed=seed), len(groups), groups=groups
        )
        assert len(found) == (folds or v)
        for each in found:
            assert not set(groups[each.analysis]) & set(groups[each.assessment])
        judged = np.sort(np.concatenate([each.assessment for each in found]))
        assert np.array_equal(judged, np.arange(len(groups)))


def digest(found: tuple[Resample, ...]) -> str:
    text = hashlib.sha256()
    for each in found:
        for rows in (each.analysis, each.assessment):
            text.update(rows.astype("<i8").tobytes())
    return text.hexdigest()[:16]


# Recorded once: a job from last year, on another machine, has the rows that it had.
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"kind": "validation_split", "prop": 5 / 6}, "253e0d11cb88fb7b"),
        ({"kind": "validation_set"}, "3638e579fec5f02a"),
        ({"kind": "vfold", "v": 5, "repeats": 2}, "d77792de53bf984c"),
        ({"kind": "bootstrap", "times": 3}, "10f8879819109f27"),
        ({"kind": "mc", "times": 3}, "1ea037cc10828e28"),
        ({"kind": "group_vfold", "group": "g", "v": 3}, "3a73e9c239c6e90a"),
    ],
)
def test_a_seed_draws_the_same_rows_for_ever(asked: dict[str, Any], expected: str) -> None:
    strata = np.arange(150, dtype=np.int64) % 4
    groups = np.arange(150, dtype=np.int64) % 7
    whole = SPEC.validate_python({**asked, "seed": 102030})
    assert digest(resample(whole, 150, strata=strata, groups=groups)) == expected


def test_another_seed_draws_other_rows_and_a_resample_does_not_depend_on_the_others() -> None:
    one, other = (resample(spec("bootstrap", times=5, seed=seed), 50) for seed in (1, 2))
    assert not np.array_equal(one[0].analysis, other[0].analysis)
    fewer = resample(spec("bootstrap", times=3, seed=1), 50)
    assert all(np.array_equal(a.analysis, b.analysis) for a, b in zip(fewer, one, strict=False))


def test_a_validation_split_takes_the_rows_of_a_dataset_s_split_with_its_seed() -> None:
    (only,) = resample(spec("validation_split", prop=0.6, seed=7), 90)
    assert np.array_equal(only.analysis, np.flatnonzero(partition(90, 0.6, 7)))
    assert len(only.analysis) == math.floor(90 * 0.6)


def test_given_rows_are_taken_as_they_are_counted_from_one() -> None:
    splits = [{"analysis": [5, 1, 1], "assessment": [2, 3]}]
    (only,) = resample(spec("rows", splits=splits), 5)
    assert only.id == "Split1"
    assert only.analysis.tolist() == [4, 0, 0]
    assert only.assessment.tolist() == [1, 2]


def test_the_chapter_s_own_split_is_taken_from_r_s_row_numbers(shared_data: Path) -> None:
    text = (shared_data / "chapter_assessment_rows.txt").read_text()
    assessment = [int(line) for line in text.split()]
    analysis = sorted(set(range(1, 60_001)) - set(assessment))
    splits = [{"analysis": analysis, "assessment": assessment}]
    (only,) = resample(spec("rows", splits=splits), 60_000)
    assert (len(only.analysis), len(only.assessment)) == (50_000, 10_000)
    assert (only.analysis[0] + 1, only.assessment[0] + 1) == (analysis[0], assessment[0])


REFUSED = [
    ({"kind": "vfold", "v": 11}, "Expected at most as many folds as rows, 10. Received v=11."),
    ({"kind": "vfold", "v": 10, "repeats": 2}, "all repeats are the same"),
    ({"kind": "validation_split", "prop": 0.05}, "10 rows: 0 for analysis, 10 for assessment."),
    ({"kind": "mc", "prop": 0.01}, "0 for analysis"),
    ({"kind": "validation_set", "prop": [0.5, 0.05]}, "5 for analysis, 0 for assessment, 5"),
    ({"kind": "group_vfold", "group": "g", "v": 4}, "Received 3 in 'g' and v=4."),
    ({"kind": "rolling_origin", "initial": 9, "assess": 2}, "Received 9 and 2."),
    ({"kind": "rows", "splits": [{"analysis": [11], "assessment": [1]}]}, "from 1 to 10"),
    ({"kind": "rows", "splits": [{"analysis": [1, 2], "assessment": [2]}]}, "2, which is in both"),
    ({"kind": "rows", "splits": [{"analysis": [1], "assessment": [2, 2]}]}, "each row once"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_rows_that_do_not_suffice_are_refused_before_a_draw(
    asked: dict[str, Any], words: str
) -> None:
    groups = np.asarray([0, 0, 0, 1, 1, 1, 2, 2, 2, 2], dtype=np.int64)
    with pytest.raises(InvalidSpec, match=words) as caught:
        each_resample(SPEC.validate_python(asked), 10, groups=groups)
    assert caught.value.errors[0].loc[:2] == ("body", "resamples")


def test_a_bootstrap_that_drew_every_row_is_refused() -> None:
    whole = spec("bootstrap", times=100, seed=1)
    with pytest.raises(InvalidSpec, match=r"Bootstrap\d+ has drawn all 2 rows"):
        resample(whole, 2)


def doubts(
    analysis: list[int], assessment: list[int], batch_size: int = 1
) -> list[tuple[str, bool]]:
    each = Resample(
        id="Fold1",
        analysis=np.asarray(analysis, dtype=np.int64),
        assessment=np.asarray(assessment, dtype=np.int64),
    )
    codes = np.asarray([0, 0, 1, 1, 2, 2], dtype=np.int64)
    found = doubts_of(each, batch_size=batch_size, codes=codes, levels=["a", "b", "c", "unused"])
    assert all("Fold1" in doubt.message for doubt in found)
    return [(doubt.what, doubt.stops) for doubt in found]


def test_a_resample_with_all_levels_and_a_batch_is_not_doubted() -> None:
    assert doubts([0, 2, 4], [1, 3, 5], 3) == []


def test_a_resample_of_one_class_or_less_than_a_batch_stops_a_fit() -> None:
    assert doubts([0, 1], [2, 3, 4, 5], 3) == [
        ("fewer_rows_than_a_batch", True),
        ("one_class", True),
    ]
    halved = doubts_of(
        Resample(id="Fold1", analysis=np.arange(9), assessment=np.arange(9, 12)),
        batch_size=5,
        validation_split=0.5,
    )
    assert [doubt.message[:46] for doubt in halved] == [
        "Expected at least one batch of 5 rows to train"
    ]


def test_levels_that_are_absent_are_told_and_do_not_stop_a_fit() -> None:
    assert doubts([0, 2], [1, 3, 4, 5]) == [("level_not_trained", False)]
    assert doubts([0, 1, 2, 3, 4], [5]) == [("level_not_judged", False)]


def test_a_table_s_columns_give_the_strata_and_the_groups(tmp_path: Path) -> None:
    rows = "\n".join(f"{at},{'xyz'[at % 3]},{at % 4}" for at in range(60))
    (tmp_path / "t.csv").write_text(f"a,f,g\n{rows}\n")
    made = ingest(tmp_path / "t.csv", tmp_path, ReadOptions())
    table = Table.open(tmp_path / made.path)
    for each in resample_table(spec("vfold", v=5, strata="f", seed=1), table):
        assert np.bincount(table.codes("f", each.assessment)).tolist() == [4, 4, 4]
    quarters = [
        sorted(np.floor(table.numeric("a", each.assessment) / 15).astype(int).tolist())
        for each in resample_table(spec("vfold", v=15, strata="a", seed=1), table)
    ]
    assert quarters == [[0, 1, 2, 3]] * 15
    for each in resample_table(spec("group_vfold", group="g", seed=1), table):
        assert len(set(table.numeric("g", each.assessment))) == 1
    with pytest.raises(InvalidSpec, match="nope"):
        resample_table(spec("vfold", strata="nope", seed=1), table)


def test_a_row_without_a_group_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,f,g\n1,x,1\n2,,NA\n3,y,2\n4,y,2\n")
    made = ingest(tmp_path / "t.csv", tmp_path, ReadOptions())
    table = Table.open(tmp_path / made.path)
    for column in ("f", "g"):
        with pytest.raises(MissingValues, match=f"'{column}' has none in 1 of 4 rows"):
            resample_table(spec("group_vfold", group=column, v=2, seed=1), table)
