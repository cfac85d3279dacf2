from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import InvalidSpec
from service.store import encoding

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x\udfff"])
@pytest.mark.parametrize("wrap", [str, lambda t: [t], lambda t: {"k": [t]}, lambda t: {t: 1}])
def test_json_with_text_that_no_database_keeps_is_refused(text: str, wrap: Any) -> None:
    with pytest.raises(InvalidSpec, match="U\\+"):
        encoding.to_json(wrap(text))


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\U0001f600", "é\t\n\x7f", ""])
def test_json_keeps_every_other_text(text: str) -> None:
    assert json.loads(encoding.to_json([text, {text: text}])) == [text, {text: text}]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_refuses_a_bare_non_finite_number(number: float) -> None:
    with pytest.raises(InvalidSpec, match="finite"):
        encoding.to_json({"loss": number})


@given(st.floats())
def test_words_for_floats_are_read_back_as_the_same_float(number: float) -> None:
    back = float(json.loads(encoding.to_json([encoding.words_for_floats(number)]))[0])
    assert back == number or (math.isnan(back) and math.isnan(number))


@given(_JSON)
def test_whatever_was_scrubbed_can_be_kept(value: Any) -> None:
    scrubbed = encoding.scrub_json(value, 100)
    assert json.loads(encoding.to_json(scrubbed)) == scrubbed


def test_scrubbing_marks_what_it_replaced_and_cuts_what_is_too_long() -> None:
    assert encoding.scrub("a\x00b\udc80c", 100) == "a\ufffdb\ufffdc"
    assert encoding.scrub("abcdef", 3) == "abc"
