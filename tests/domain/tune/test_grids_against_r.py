"""Grids against R: grids_in_r.R wrote the order of tidyr's and the sequences of dials' rule."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.model_selection import ParameterGrid

from service.domain.tune.candidates import candidates
from service.domain.tune.dimensions import Dimension
from service.domain.tune.spec import TuneSpec

R: dict[str, Any] = json.loads((Path(__file__).parent / "grids_in_r.json").read_text())


def rows(grid: dict[str, Any], *ids: str) -> list[dict[str, Any]]:
    spec = TuneSpec.model_validate(
        {
            "kind": "tune",
            "fit": {
                "dataset": "d",
                "outcome": "y",
                "model": {name: {"tune": True} for name in ids},
            },
            "grid": grid,
            "resamples": {"kind": "vfold"},
        }
    )
    return [dict(each.values) for each in candidates(spec)]


def test_expand_is_in_the_order_of_expand_grid() -> None:
    ids = ("hidden_units", "penalty", "activation")
    values = {name: list(dict.fromkeys(row[name] for row in R["expand_grid"])) for name in ids}
    found = rows({"kind": "expand", "values": values}, *ids)
    assert found == R["expand_grid"]
    assert len(found) == 48


def test_expand_has_the_combinations_of_scikit_learn_s_parameter_grid() -> None:
    values = {"epochs": [5, 10, 20], "hidden_units": [3, 4], "learn_rate": [0.1, 0.2]}
    found = rows({"kind": "expand", "values": values}, *values)
    # It sorts the names, and these are sorted.
    assert found == list(ParameterGrid(values))


def test_the_chapter_s_grid_has_its_24_rows_in_its_order() -> None:
    values = {"hidden_units": [5, 10, 20, 30, 50, 100], "penalty": [1e-5, 1e-4, 1e-2, 1e-1]}
    found = rows({"kind": "expand", "values": values}, *values)
    assert len(found) == 24
    told = {21: (100, 1e-5), 22: (100, 1e-4), 18: (50, 1e-4), 17: (50, 1e-5), 13: (30, 1e-5)}
    assert {at: tuple(found[at - 1].values()) for at in told} == told


def test_regular_is_in_the_order_of_grid_regular_with_dials_ranges() -> None:
    levels = {"hidden_units": 3, "penalty": 2, "epochs": 4}
    assert rows({"kind": "regular", "levels": levels}, *levels) == R["regular"]


@pytest.mark.parametrize(
    "case", R["sequences"], ids=lambda case: "-".join(str(value) for value in case.values())[:60]
)
def test_a_sequence_has_r_s_values(case: dict[str, Any]) -> None:
    axis = Dimension(
        id="x",
        kind="integer" if case["whole"] else "double",
        low=case["low"],
        high=case["high"],
        scale=case["scale"],
    )
    found = axis.sequence(case["n"])
    if case["whole"]:
        assert list(found) == case["values"]
    else:
        # Written with 15 digits.
        assert found == pytest.approx(case["values"], rel=1e-14, abs=1e-15)
    assert len(found) <= axis.levels(case["n"]) <= case["n"]


def test_the_last_id_of_a_regular_grid_varies_slowest() -> None:
    ids = ("mixture", "hidden_units", "learn_rate")
    ranges = {
        "mixture": {"min": 0, "max": 1},
        "hidden_units": {"min": 2, "max": 4},
        "learn_rate": {"values": [0.1, 0.01]},
    }
    found = rows({"kind": "regular", "ranges": ranges, "levels": 3}, *ids)
    assert [tuple(row[name] for name in ids) for row in found] == [
        (mixture, units, rate)
        for rate, units, mixture in itertools.product([0.1, 0.01], [2, 3, 4], [0.0, 0.5, 1.0])
    ]
