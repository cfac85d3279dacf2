"""Resamples against real R: rsample_1_1_1.R wrote what rsample makes of the same arguments.

Which rows a seed draws is each program's own; how many, in which order and by which names is not.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from service.domain.tune.resampling import Resamples
from service.engine.resamples import Resample, resample
from service.engine.tables.partition import stratum_of_numbers

R: dict[str, Any] = json.loads((Path(__file__).parent / "rsample_1_1_1.json").read_text())
SPEC: TypeAdapter[Resamples] = TypeAdapter(Resamples)


def made(case: dict[str, Any]) -> tuple[Resample, ...]:
    return resample(SPEC.validate_python(case["spec"]), case["n_rows"])


def title(case: dict[str, Any]) -> str:
    return f"{case['n_rows']}-" + "-".join(str(value) for value in case["spec"].values())


@pytest.mark.parametrize("case", R["sizes"], ids=title)
def test_folds_and_splits_have_r_s_names_and_sizes(case: dict[str, Any]) -> None:
    found = made(case)
    as_listed = [case[key] if isinstance(case[key], list) else [case[key]] for key in R["sizes"][0]]
    _, _, ids, id2s, analysis, assessment = as_listed
    assert [each.id for each in found] == ids
    assert [each.id2 for each in found] == id2s
    assert [len(each.analysis) for each in found] == analysis
    assert [len(each.assessment) for each in found] == assessment


@pytest.mark.parametrize("case", R["rolling"], ids=title)
def test_a_rolling_origin_takes_r_s_rows(case: dict[str, Any]) -> None:
    found = made(case)
    assert [each.id for each in found] == (
        case["id"] if isinstance(case["id"], list) else [case["id"]]
    )
    assert [(each.analysis + 1).tolist() for each in found] == case["analysis"]
    assert [(each.assessment + 1).tolist() for each in found] == case["assessment"]


@pytest.mark.parametrize("case", R["grouped"], ids=lambda case: f"v{case['v']}")
def test_group_folds_hold_as_many_groups_as_r_s(case: dict[str, Any]) -> None:
    groups = np.unique(R["groups"], return_inverse=True)[1]
    spec = SPEC.validate_python({"kind": "group_vfold", "group": "g", "v": case["v"], "seed": 5})
    found = resample(spec, len(groups), groups=groups)
    assert [each.id for each in found] == case["id"]
    assert [len(np.unique(groups[each.assessment])) for each in found] == case["groups"]


def test_bootstraps_have_r_s_names_and_as_many_rows_as_the_table() -> None:
    told = R["bootstraps"]
    found = resample(SPEC.validate_python({"kind": "bootstrap", "times": 10, "seed": 3}), 40)
    assert [each.id for each in found] == told["id"]
    assert [len(each.analysis) for each in found] == told["analysis"]


@pytest.mark.parametrize("case", R["strata"], ids=lambda case: str(len(case["values"])))
def test_numbers_are_cut_into_r_s_strata(case: dict[str, Any]) -> None:
    own = stratum_of_numbers(np.asarray(case["values"], dtype=np.float64))
    pairs = Counter(zip(own.tolist(), case["stratum"], strict=True))
    assert len(pairs) == len(set(case["stratum"])) == len(set(own.tolist()))
