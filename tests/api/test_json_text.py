"""What passes for JSON here, and what does not although other readers let it pass."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.json_text import count_keys, read_json, whole_as_integers
from service.api.problem_kinds import UnreadableBody

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b'{"a":1} {"b":2}',
        b"{'a':1}",
        b'{"a":1,}',
        b'"a\x01b"',
        b'{"a":"\\u0000"}',
        b'{"a\\u0000":1}',
        b'[[["x\\u0000"]]]',
        b'{"a":1,"a":2}',
        b'{"b":{"a":1,"a":1}}',
        b'[{"a":":"},{"a":1,"c":2,"a":3}]',
    ],
)
def test_what_is_no_json_or_has_no_meaning_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableBody) as caught:
        read_json(raw)
    assert len(caught.value.detail) < 400


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a:b":"c:d","e":"{:}"}',
        b'{"a":{"a":{"a":1}}}',
        b'{"a":"\\\\u0000"}',
        b'[{"a":1},{"a":1}]',
        '{"ключ":"значение"}'.encode(),
        b'"\\ud83d\\ude00"',
        b"1",
    ],
)
def test_what_only_looks_odd_is_read(raw: bytes) -> None:
    assert read_json(raw) == json.loads(raw)


@given(VALUES)
def test_reads_what_the_standard_library_writes(value: object) -> None:
    raw = json.dumps(value).encode()
    # A lone surrogate is no Unicode text, and NUL no text for a database.
    if b"\\u0000" in raw or b"\\ud" in raw:
        return
    assert read_json(raw) == value


@given(VALUES)
def test_keys_are_counted_in_every_object(value: object) -> None:
    pairs = 0

    def hook(found: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal pairs
        pairs += len(found)
        return dict(found)

    text = json.dumps(value)
    copy = json.loads(text, object_pairs_hook=hook)
    assert count_keys(copy) == pairs
    assert count_keys(copy, text.count("{")) == pairs


def test_a_whole_number_written_with_an_exponent_is_an_integer() -> None:
    read = whole_as_integers(read_json(b'{"seeds":[1e+05,2.0,3],"rate":0.5,"big":1e300,"t":true}'))
    assert read == {"seeds": [100_000, 2, 3], "rate": 0.5, "big": 1e300, "t": True}
    assert [type(seed) for seed in read["seeds"]] == [int, int, int]
    assert type(read["big"]) is float
    assert read["t"] is True
