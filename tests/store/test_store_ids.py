from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.domain.errors import InvalidSpec
from service.store import ids

NOW = datetime(2031, 5, 17, tzinfo=UTC)


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [ids.new_id("job", NOW + timedelta(milliseconds=step)) for step in range(200)]
    assert made == sorted(made)
    assert len(set(made)) == 200
    assert all(ids.is_id(one) for one in made)


def test_ids_grow_within_a_millisecond_and_when_the_wall_clock_was_set_back() -> None:
    latest = ids.new_id("job", NOW + timedelta(days=3650))
    for _ in range(200):
        following = ids.new_id("job", NOW, latest)
        assert following > latest
        latest = following
    assert ids.is_id(latest)


def test_a_name_with_the_form_of_an_id_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="form of an id"):
        ids.refuse_lookalike(ids.new_id("mdl", NOW))
    ids.refuse_lookalike("mdl_mine")


@pytest.mark.parametrize(
    "cursor", ["", "job", "job_1", "ds_" + "0" * 26, "job_" + "u" * 26, "\ud800"]
)
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidSpec, match="`after`"):
        ids.require_cursor(cursor, "job")
