from __future__ import annotations

import math
from datetime import timedelta

import pytest

from service.domain.datasets import Column
from service.domain.errors import Conflict, InvalidSpec, NotFound
from service.store import claims, datasets, ids, jobs
from service.store.database import Database
from tests.store import samples
from tests.store.manual_clock import ManualClock


def test_a_dataset_is_found_by_id_and_by_name_as_it_was_registered(
    database: Database, clock: ManualClock
) -> None:
    with database.write() as s:
        made = samples.register(s, "digits")
    assert made.created_at == clock.utc()
    assert made.columns == samples.COLUMNS
    with database.read() as s:
        assert datasets.get(s, made.id) == made
        assert datasets.get(s, "digits") == made


def test_a_column_of_infinities_keeps_its_moments(database: Database) -> None:
    column = Column(
        name="x", type="numeric", n_missing=0, n_unique=2, mean=math.inf, sd=math.nan, min=-math.inf
    )
    with database.write() as s:
        datasets.register(
            s, name="odd", n_rows=2, n_columns=1, sha256="0", bytes=1, columns=[column]
        )
    with database.read() as s:
        (read,) = datasets.get(s, "odd").columns
    assert read.mean == math.inf
    assert read.min == -math.inf
    assert read.sd is not None
    assert math.isnan(read.sd)


def test_an_unknown_dataset_names_the_nearest_one(database: Database) -> None:
    with database.write() as s:
        samples.register(s, "mnist_train")
    with database.read() as s:
        with pytest.raises(NotFound, match="Did you mean 'mnist_train'"):
            datasets.get(s, "mnist_trian")
        for ref in ("", "\x00", "\ud800", "ds_" + "0" * 26, "x" * 10_000):
            with pytest.raises(NotFound):
                datasets.get(s, ref)


def test_a_taken_name_is_a_conflict_and_the_first_one_stays(database: Database) -> None:
    with database.write() as s:
        first = samples.register(s, "digits")
    with pytest.raises(Conflict, match="'digits' is taken"), database.write() as s:
        samples.register(s, "digits")
    with database.read() as s:
        assert datasets.get(s, "digits") == first


def test_names_that_look_like_ids_and_texts_with_nul_are_refused(database: Database) -> None:
    bad = Column(name="a\x00b", type="text", n_missing=0, n_unique=1)
    surrogate = Column(name="x", type="text", n_missing=0, n_unique=1, levels=("\ud800",))
    for columns in ([bad], [surrogate]):
        with pytest.raises(InvalidSpec, match=r"U\+"), database.write() as s:
            datasets.register(
                s, name="x", n_rows=1, n_columns=1, sha256="0", bytes=1, columns=columns
            )
    for name in ("ds_" + "0" * 26, "a\x00"):
        with pytest.raises(InvalidSpec), database.write() as s:
            samples.register(s, name)
    with database.read() as s:
        assert datasets.page(s).data == []


def test_pages_give_every_dataset_once_while_new_ones_arrive(
    database: Database, clock: ManualClock
) -> None:
    with database.write() as s:
        made = [samples.register(s, f"set-{number}").id for number in range(11)]
    seen: list[str] = []
    after = None
    while True:
        with database.read() as s:
            page = datasets.page(s, limit=3, after=after)
        seen += [one.id for one in page.data]
        assert all(one.columns == () for one in page.data)
        with database.write() as s:
            samples.register(s, f"late-{len(seen)}")
            # The wall clock goes back: what is new must still come before what was read.
            clock.wall -= timedelta(hours=1)
        assert page.has_more == (page.next is not None)
        if page.next is None:
            break
        after = page.next
    assert seen == made[::-1]


def test_a_dataset_is_kept_while_an_unfinished_job_uses_it(database: Database) -> None:
    with database.write() as s:
        dataset = samples.register(s)
        job = jobs.submit(s, samples.new_job(dataset.id))
    with pytest.raises(Conflict, match=job.id), database.write() as s:
        datasets.delete(s, "digits")
    _, token = samples.claim(database)
    with pytest.raises(Conflict, match=job.id), database.write() as s:
        datasets.delete(s, dataset.id)
    with database.write() as s:
        samples.succeed(s, job.id, token)
        datasets.delete(s, "digits")
    with database.read() as s:
        assert jobs.datasets_of(s, job.id) == {}
        assert jobs.page(s, dataset="digits").data[0].id == job.id
        with pytest.raises(NotFound):
            datasets.get(s, dataset.id)


def test_a_job_reads_its_datasets_by_the_names_of_its_spec(database: Database) -> None:
    with database.write() as s:
        train, test = samples.register(s, "train"), samples.register(s, "test")
        new = samples.new_job(datasets={"train": train.id, test.id: test.id})
        job = jobs.submit(s, new)
    with database.read() as s:
        assert jobs.datasets_of(s, job.id) == {"train": train, test.id: test}


def test_a_dataset_deleted_before_the_submit_is_told_by_its_name(database: Database) -> None:
    with database.write() as s:
        gone = samples.register(s)
        datasets.delete(s, gone.id)
    with pytest.raises(NotFound, match="'digits'"), database.write() as s:
        jobs.submit(s, samples.new_job(gone.id))
    with database.write() as s:
        assert claims.claim(s, "wrk_a") is None
        with pytest.raises(NotFound):
            datasets.delete(s, ids.new_id("ds", samples.NOW))
