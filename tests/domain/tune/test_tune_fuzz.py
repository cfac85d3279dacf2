"""Whatever a body holds, a tune is read or refused with a place and a reason: never an accident."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.domain.errors import FieldError, InvalidSpec
from service.domain.tune.candidates import Candidate, candidates
from service.domain.tune.combinations import dimensions
from service.domain.tune.grid import MAX_CANDIDATES
from service.domain.tune.spec import TuneSpec, seeded

IDS = st.sampled_from(["a", "b", "penalty", "epochs", "mean", "x y", ""])
OPEN = st.one_of(st.just(True), IDS).map(lambda name: {"tune": name})
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.floats(-1, 2),
    st.sampled_from(["relu", "pca"]),
)
ANY = st.recursive(
    st.one_of(SCALAR, OPEN),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.sampled_from(["tune", "name", "step", "epochs", "x"]), below, max_size=3
        ),
    ),
    max_leaves=6,
)


def section(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    # Mostly what a client would write, sometimes anything.
    value = st.one_of(SCALAR, OPEN, OPEN, ANY)
    return st.dictionaries(st.sampled_from(names), value, max_size=3)


MODEL = section("hidden_units", "activation", "penalty", "dropout", "epochs", "seeds", "nothing")
ENGINE = section(
    "name", "batch_size", "optimizer", "early_stopping", "class_weight", "shuffle_seed", "metrics"
)
STEP = st.builds(
    lambda step, fields: {"step": step, **fields},
    st.sampled_from(["zv", "pca", "corr", "other", "nothing"]),
    section("num_comp", "threshold", "columns", "step"),
)
FIT = st.fixed_dictionaries(
    {"dataset": st.one_of(st.just("d"), ANY), "outcome": st.one_of(st.just("y"), ANY)},
    optional={
        "model": st.one_of(MODEL, MODEL, ANY),
        "engine": st.one_of(ENGINE, ENGINE, ANY),
        "recipe": st.one_of(st.lists(st.one_of(STEP, ANY), max_size=3), ANY),
        "tags": ANY,
        "x": ANY,
    },
)
CELLS = st.lists(st.one_of(SCALAR, st.lists(st.integers(1, 9), max_size=2)), max_size=3)
RANGE = st.one_of(
    st.builds(
        lambda low, width: {"min": low, "max": low + width}, st.floats(-9, 9), st.floats(0, 9)
    ),
    st.builds(lambda cells: {"values": cells}, CELLS),
    st.builds(
        lambda low, scale: {"min": low, "max": low + 1, "scale": scale},
        st.floats(-400, 400),
        st.sampled_from(["identity", "log10", "log2", "log"]),
    ),
)
RANGES = st.dictionaries(IDS, RANGE, max_size=3)
GRID = st.one_of(
    st.none(),
    st.builds(
        lambda values: {"kind": "expand", "values": values}, st.dictionaries(IDS, CELLS, max_size=3)
    ),
    st.builds(
        lambda rows: {"kind": "rows", "rows": rows},
        st.lists(st.dictionaries(IDS, SCALAR, max_size=2), max_size=3),
    ),
    st.builds(
        lambda ranges, levels: {"kind": "regular", "ranges": ranges, "levels": levels},
        RANGES,
        st.integers(1, 4),
    ),
    st.builds(
        lambda kind, ranges: {"kind": kind, "ranges": ranges},
        st.sampled_from(["random", "space_filling", "bayes"]),
        RANGES,
    ),
)


def read(fit: Any, grid: Any) -> tuple[TuneSpec, tuple[Candidate, ...]] | None:
    """Return a tune and its candidates, or None for one that is refused as it should be."""
    body = {"kind": "tune", "fit": fit, "grid": grid, "resamples": {"kind": "vfold"}}
    try:
        spec = seeded(TuneSpec.model_validate(body), lambda: 7)
    except ValidationError:
        return None
    told: tuple[FieldError, ...] = ()
    try:
        dimensions(spec)
        return spec, candidates(spec)
    except InvalidSpec as error:
        told = error.errors
    assert told
    assert all(field.loc[:2] in (("body", "fit"), ("body", "grid")) for field in told)
    assert all(field.msg for field in told)
    return None


@given(fit=FIT, grid=GRID)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_anything_is_read_or_refused(fit: Any, grid: Any) -> None:
    read(fit, grid)


# What an argument may be; some of it is wrong, or wrong beside another.
SENSIBLE: dict[str, list[Any]] = {
    "model.hidden_units": [1, 8, [4, 2], 0],
    "model.activation": ["relu", "elu", "tanh"],
    "model.penalty": [0, 0.1, 1e-5],
    "model.dropout": [0.0, 0.5],
    "model.epochs": [1, 20, 2.5],
    "engine.batch_size": [16, 32, None],
    "engine.validation_split": [0.0, 0.2],
    "num_comp": [1, 2, -1],
    "threshold": [0.5, None],
}


@st.composite
def tunes(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return a fit with some open arguments and a grid for just these."""
    names = draw(st.lists(st.sampled_from(list(SENSIBLE)), unique=True, min_size=1, max_size=4))
    fit: dict[str, Any] = {"dataset": "d", "outcome": "y", "recipe": [{"step": "pca"}]}
    values: dict[str, list[Any]] = {}
    for name in names:
        section, _, argument = name.rpartition(".")
        owner = fit.setdefault(section, {}) if section else fit["recipe"][0]
        owner[argument] = {"tune": True}
        own = SENSIBLE[name]
        values[argument] = draw(
            st.lists(st.sampled_from(own), min_size=1, max_size=3, unique_by=repr)
        )
    ranges = {name: {"values": cells} for name, cells in values.items()}
    size = draw(st.integers(1, 6))
    grids: list[dict[str, Any]] = [
        {"kind": "expand", "values": values},
        {"kind": "regular", "ranges": ranges, "levels": size},
        {"kind": "random", "ranges": ranges, "size": size},
        {"kind": "space_filling", "ranges": ranges, "size": size},
        {"kind": "bayes", "ranges": ranges, "initial": size, "size": 6},
        {"kind": "rows", "rows": [{name: cells[0] for name, cells in values.items()}]},
    ]
    return fit, draw(st.sampled_from(grids))


@given(asked=tunes())
@settings(max_examples=300, deadline=None)
def test_candidates_are_numbered_told_of_and_the_same_when_read_again(asked: Any) -> None:
    found = read(*asked)
    if found is None:
        # Every value was a wrong one.
        wrong = (0, "tanh", 2.5, None, -1, 0.1, 1e-5, 0.5)
        assert any(repr(value) in repr(asked[1]) for value in wrong)
        return
    spec, own = found
    assert 1 <= len(own) <= MAX_CANDIDATES
    assert [each.trial for each in own] == list(range(1, len(own) + 1))
    assert len({each.config for each in own}) == len(own)
    for each in own:
        assert (each.spec is None) == (each.note is not None)
    # What is stored gives the same candidates again.
    again = candidates(TuneSpec.model_validate_json(spec.model_dump_json()))
    assert again == own
