from __future__ import annotations

import math

import pytest

from service.domain.errors import InvalidSpec
from service.domain.history import EpochRecord
from service.store import claims, epochs, events
from service.store.database import Database
from tests.store import samples


def record_all(database: Database, records: list[EpochRecord], **job: int) -> tuple[str, int]:
    job_id, token = samples.submit_and_claim(database, **job)
    with database.write() as s:
        claims.record_epochs(s, job_id, token, records, samples.progress(len(records)))
    return job_id, token


def test_values_that_are_not_finite_are_kept_apart_from_each_other(database: Database) -> None:
    values = {"loss": math.nan, "val_loss": math.inf, "accuracy": -math.inf, "third": 1 / 3}
    job_id, _ = record_all(database, [samples.record(1, values=values)])
    with database.read() as s:
        (record,) = epochs.all_of(s, job_id)
        told = [event.data for event in events.after(s, job_id) if event.what == "epoch"]
    assert math.isnan(record.values["loss"])
    assert record.values["val_loss"] == math.inf
    assert record.values["accuracy"] == -math.inf
    assert record.values["third"] == 1 / 3
    assert list(record.values) == list(values)
    assert record.diverged
    assert told == [samples.record(1, values=values).as_row()]
    assert told[0]["diverged"] is True


def test_pages_ascend_by_trial_fold_and_epoch_and_give_each_record_once(
    database: Database,
) -> None:
    given = [
        samples.record(epoch, trial=trial, fold=fold)
        for trial in (2, 1, 11)
        for fold in (3, 1)
        for epoch in (2, 1, 3)
    ]
    job_id, token = record_all(database, given)
    seen: list[tuple[int, int, int]] = []
    after = None
    while True:
        with database.write() as s:
            page = epochs.page(s, job_id, limit=4, after=after)
            # What is new meanwhile comes behind: the history only grows.
            late = samples.record(len(seen) // 4 + 1, trial=12)
            claims.record_epochs(s, job_id, token, [late], samples.progress(1))
        seen += [(one.trial, one.fold, one.epoch) for one in page.data]
        if page.next is None:
            break
        after = page.next
    assert seen == sorted(set(seen))
    assert {(one.trial, one.fold, one.epoch) for one in given} <= set(seen)
    with database.read() as s:
        assert [one.epoch for one in epochs.all_of(s, job_id, trial=11, fold=3)] == [1, 2, 3]
        assert epochs.all_of(s, job_id, trial=4) == []


@pytest.mark.parametrize(
    "after", ["", "1", "1.1", "1.1.1.1", "a.b.c", "-1.1.1", "1.1.1e9", "²·1.1"]
)
def test_a_cursor_that_is_no_place_in_a_history_is_refused(database: Database, after: str) -> None:
    job_id, _ = record_all(database, [samples.record(1)])
    with pytest.raises(InvalidSpec, match=r"trial\.fold\.epoch"), database.read() as s:
        epochs.page(s, job_id, after=after)


def test_a_time_that_is_not_finite_is_refused(database: Database) -> None:
    for field in ("seconds", "samples_per_second"):
        with pytest.raises(InvalidSpec, match="finite"):
            record_all(database, [samples.record(1, **{field: math.nan})])


def test_the_same_epoch_twice_in_one_call_is_compared_too(database: Database) -> None:
    job_id, token = record_all(database, [samples.record(1, 0.5), samples.record(1, 0.5)])
    with database.write() as s:
        twice = [samples.record(2, 0.5), samples.record(2, 0.75)]
        claims.record_epochs(s, job_id, token, twice, samples.progress(2))
        assert [one.values["loss"] for one in epochs.all_of(s, job_id)] == [0.5, 0.5]
        assert len(events.nondeterminism(s, job_id)) == 1


def test_events_are_read_from_where_the_reader_was(database: Database) -> None:
    job_id, token = samples.submit_and_claim(database)
    other, _ = samples.submit_and_claim(database)
    seen: list[int] = []
    for epoch in range(1, 6):
        with database.write() as s:
            records = [samples.record(epoch)]
            claims.record_epochs(s, job_id, token, records, samples.progress(epoch))
        with database.read() as s:
            seen += [event.n for event in events.after(s, job_id, seen[-1] if seen else 0, 2)]
    with database.write() as s:
        samples.succeed(s, job_id, token)
    with database.read() as s:
        seen += [event.n for event in events.after(s, job_id, seen[-1])]
        everything = events.after(s, job_id)
        assert len(events.after(s, other)) == 2
    assert seen == [event.n for event in everything]
    assert seen == sorted(set(seen))
    assert [event.what for event in everything] == [
        "state",
        "state",
        *["epoch"] * 5,
        "state",
        "done",
    ]
