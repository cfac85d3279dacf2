from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.recipe import (
    Center,
    Divide,
    Normalize,
    Range,
    Remove,
    Scale,
    Select,
    Step,
    ZeroVariance,
)
from service.engine.recipe import MemoryColumns, affine, bake, prep

LINEAR_STEPS = st.one_of(
    st.just(Normalize(step="normalize")),
    st.just(Center(step="center")),
    st.sampled_from([Scale(step="scale", factor=1), Scale(step="scale", factor=2)]),
    st.builds(
        lambda low, width: Range(step="range", min=low, max=low + width, clipping=False),
        st.floats(-10, 10),
        st.floats(0.1, 10),
    ),
    st.builds(lambda by: Divide(step="divide", by=by), st.floats(0.01, 255)),
    st.just(ZeroVariance(step="zv")),
)


@given(st.lists(LINEAR_STEPS, max_size=5), st.integers(0, 2**32 - 1))
def test_the_fold_agrees_with_the_steps_one_by_one(recipe: list[Step], seed: int) -> None:
    draw = np.random.default_rng(seed)
    source = MemoryColumns(
        {f"x{place}": draw.normal(place, 1 + place, 40) for place in range(5)}
        | {"constant": np.full(40, 3.0)}
    )
    fitted = prep(recipe, source, list(source.types))
    folded = affine(fitted)
    assert folded is not None
    raw = np.column_stack([source.numeric(name) for name in fitted.required])
    ours = np.empty((40, len(fitted.outputs)))
    ours[:, folded.output] = raw
    ours = ours * folded.scale + folded.offset
    baked = bake(fitted, source)
    # Baked values are float32: 6e-8 of their size. The rest is the room that the contract gives.
    scale = np.maximum(np.abs(baked), np.abs(folded.offset)) + 1
    assert (np.abs(ours - baked) / scale).max() < 1e-5


def test_outputs_are_matched_to_inputs_when_select_reorders_them() -> None:
    source = MemoryColumns({"a": [1.0, 2.0, 3.0], "b": [10.0, 30.0, 50.0], "c": [0.0, 1.0, 0.0]})
    fitted = prep(
        [
            Center(step="center"),
            Remove(step="remove", columns="a"),
            Select(step="select", columns=["c", "b"]),
        ],
        source,
        ["a", "b", "c"],
    )
    folded = affine(fitted)
    assert folded is not None
    assert fitted.required == ("b", "c")
    assert folded.output.tolist() == [1, 0]
    assert folded.offset.tolist() == pytest.approx([-1 / 3, -30])


def test_clipping_is_not_linear() -> None:
    source = MemoryColumns({"a": [1.0, 2.0, 3.0]})
    assert affine(prep([Range(step="range")], source, ["a"])) is None
    assert affine(prep([Range(step="range", clipping=False)], source, ["a"])) is not None


def test_a_clipped_column_that_reaches_nothing_does_not_matter() -> None:
    source = MemoryColumns({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 4.0]})
    recipe: list[Step] = [Range(step="range", columns="a"), Remove(step="remove", columns="a")]
    assert affine(prep(recipe, source, ["a", "b"])) is not None


def test_a_scale_beyond_a_double_is_not_folded() -> None:
    source = MemoryColumns({"a": [0.0, 1e-310]})
    assert affine(prep([Divide(step="divide", by=1e-310)], source, ["a"])) is None
