"""A table divided in two: exact strata, the same rows from the same seed, nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidSpec
from service.engine.tables.partition import partition, strata_of
from service.engine.tables.splitting import split
from service.engine.tables.storage import canonical_path


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    prop=st.sampled_from([0.5, 0.75, 0.8, 5 / 6, 0.1, 0.99]),
    seed=st.integers(0, 2**31 - 1),
)
def test_every_stratum_keeps_its_share_to_within_one_row(
    sizes: list[int], prop: float, seed: int
) -> None:
    strata = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    total = int(np.floor(len(strata) * prop))
    if not 0 < total < len(strata):
        return
    taken = partition(len(strata), prop, seed, strata)
    assert taken.sum() == total
    for stratum, size in enumerate(sizes):
        found = int(taken[strata == stratum].sum())
        # Exact to less than one row: the share that the whole table has, not prop itself.
        assert abs(found - size * total / len(strata)) < 1
    np.testing.assert_array_equal(taken, partition(len(strata), prop, seed, strata))


def test_mnists_digits_keep_their_share_where_rsample_would_pool_seven() -> None:
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    strata = np.repeat(np.arange(10), counts)
    taken = partition(60_000, 5 / 6, 102030, strata)
    found = np.bincount(strata[taken])
    assert found.sum() == 50_000
    assert np.abs(found - np.array(counts) * 5 / 6).max() < 1


def test_another_seed_takes_other_rows_and_every_row_is_as_likely() -> None:
    drawn = np.stack([partition(40, 0.75, seed) for seed in range(400)])
    assert len({row.tobytes() for row in drawn}) == 400
    # 400 draws of probability .75: five standard errors are .11.
    np.testing.assert_allclose(drawn.mean(axis=0), 0.75, atol=0.11)


@pytest.mark.parametrize(("n", "prop"), [(1, 0.5), (3, 0.2), (0, 0.5)])
def test_a_part_without_rows_is_refused(n: int, prop: float) -> None:
    with pytest.raises(InvalidSpec, match="rows for both parts"):
        partition(n, prop, 1)


def test_strata_of_numbers_are_quarters_or_their_few_values(reading: Any) -> None:
    lines = "\n".join(f"{i},{i % 3},{'ab'[i % 2]}" for i in range(100))
    table = reading.table(f"many,few,kind\nNA,NA,NA\n{lines}\n")
    assert np.bincount(strata_of(table, "many")).tolist() == [1, 25, 25, 25, 25]
    assert np.bincount(strata_of(table, "few")).tolist() == [1, 34, 33, 33]
    assert np.bincount(strata_of(table, "kind")).tolist() == [1, 50, 50]
    with pytest.raises(InvalidSpec, match="Did you mean 'kind'"):
        strata_of(table, "knd")


TABLE = "y,n,t,d,b,z\n" + "".join(
    f"{'abc'[i % 3]},{i * 3},t{i},2020-01-{i % 28 + 1:02d},{'TRUE' if i % 2 else 'NA'},{i / 7}\n"
    for i in range(1000)
)
DECLARED = {
    "y": {"type": "factor", "levels": ["c", "b", "a", "unseen"]},
    "d": {"type": "date"},
    "n": {"type": "integer"},
}


def test_the_parts_are_the_rows_in_their_order_and_nothing_is_lost(
    reading: Any, tmp_path: Path
) -> None:
    whole = reading.ingest(TABLE, columns=DECLARED)
    path = canonical_path(reading.datasets, whole.sha256)
    made = split(path, reading.datasets, 0.7, "y", 5, scratch=tmp_path)
    rows = reading.open(whole).records(1, 1000)
    parts = [reading.open(part) for part in made]
    found = [part.records(1, part.n_rows) for part in parts]
    assert [len(part) for part in found] == [700, 300]
    place = {row["t"]: at for at, row in enumerate(rows)}
    for part in found:
        places = [place[row["t"]] for row in part]
        assert places == sorted(places)
        assert [rows[at] for at in places] == part
    assert {row["t"] for part in found for row in part} == set(place)
    assert parts[1].levels("y") == ("c", "b", "a", "unseen")
    assert [dict(part.types) for part in parts] == [dict(reading.open(whole).types)] * 2


def test_a_part_is_the_file_that_uploading_its_rows_makes(reading: Any, tmp_path: Path) -> None:
    whole = reading.ingest(TABLE, columns=DECLARED)
    path = canonical_path(reading.datasets, whole.sha256)
    _, testing = split(path, reading.datasets, 0.9, None, 5, scratch=tmp_path)
    kept = {row["t"] for row in reading.open(testing).records(1, 1000)}
    header, *lines = TABLE.splitlines()
    text = "\n".join([header, *(line for line in lines if line.split(",")[2] in kept)])
    assert reading.ingest(text, columns=DECLARED).sha256 == testing.sha256
