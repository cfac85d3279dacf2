from __future__ import annotations

import time

import pytest

from service.domain.errors import InvalidSpec
from service.domain.recipe import Normalize, Remove, ZeroVariance
from service.domain.selectors import Kind, columns_of, resolve

COLUMNS: list[tuple[str, Kind]] = [
    ("x1", "numeric"),
    ("x2", "numeric"),
    ("Xenon", "numeric"),
    ("species", "nominal"),
    ("island_x", "nominal"),
]


def resolved(*selectors: str, gone: tuple[str, ...] = ()) -> tuple[str, ...]:
    return resolve(selectors, COLUMNS, "all_numeric_predictors", gone=gone)


def test_no_selector_means_the_group_that_the_step_is_for() -> None:
    assert resolve(None, COLUMNS, "all_numeric_predictors") == ("x1", "x2", "Xenon")
    assert resolve(None, COLUMNS, "all_nominal_predictors") == ("species", "island_x")


def test_one_selector_may_stand_without_a_list() -> None:
    assert resolve("x2", COLUMNS, "all_predictors") == ("x2",)


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["x2", "x1", "x2"], ("x2", "x1")),
        (["all_predictors"], ("x1", "x2", "Xenon", "species", "island_x")),
        (["all_nominal_predictors", "x1"], ("species", "island_x", "x1")),
        (["starts_with:x"], ("x1", "x2", "Xenon")),
        (["ends_with:X"], ("island_x",)),
        (["matches:^x[0-9]+$"], ("x1", "x2")),
        (["matches:l"], ("island_x",)),
        (["starts_with:zzz"], ()),
    ],
)
def test_selectors_are_read_as_tidyselect_reads_them(
    selectors: list[str], names: tuple[str, ...]
) -> None:
    assert resolved(*selectors) == names


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["all_predictors", "-x1"], ("x2", "Xenon", "species", "island_x")),
        (["-x1"], ("x2", "Xenon")),
        (["-x1", "species"], ("x2", "Xenon", "species")),
        (["-starts_with:x", "x1"], ("x1",)),
        (["all_predictors", "-all_nominal_predictors", "-matches:non"], ("x1", "x2")),
        (["x1", "-x1"], ()),
    ],
)
def test_a_minus_takes_away_and_a_leading_one_starts_from_the_default(
    selectors: list[str], names: tuple[str, ...]
) -> None:
    assert resolved(*selectors) == names


def test_a_name_wins_over_what_it_could_mean_as_a_selector() -> None:
    columns: list[tuple[str, Kind]] = [
        ("all_predictors", "numeric"),
        ("-x", "numeric"),
        ("x", "numeric"),
        ("matches:x", "numeric"),
    ]
    assert resolve(["all_predictors"], columns, "all_predictors") == ("all_predictors",)
    assert resolve(["-x"], columns, "all_predictors") == ("-x",)
    assert resolve(["matches:x"], columns, "all_predictors") == ("matches:x",)


def test_an_unknown_name_is_refused_with_the_nearest_one_and_its_place() -> None:
    with pytest.raises(InvalidSpec, match=r"'specie'.*Did you mean 'species'") as caught:
        resolve(["x1", "specie"], COLUMNS, "all_predictors", loc=("recipe", 3, "columns"))
    assert caught.value.errors[0].loc == ("recipe", 3, "columns")
    assert caught.value.errors[0].received == "specie"


@pytest.mark.parametrize("selector", ["begins:x", "-y", "all_numeric", ":x", "starts_with"])
def test_what_is_no_selector_is_refused(selector: str) -> None:
    with pytest.raises(InvalidSpec, match="Expected a predictor or a selector"):
        resolved(selector)


def test_a_dropped_column_can_be_taken_away_but_not_named() -> None:
    assert resolved("all_numeric_predictors", "-x9", gone=("x9",)) == ("x1", "x2", "Xenon")
    with pytest.raises(InvalidSpec, match="'x9', which an earlier step dropped"):
        resolved("x9", gone=("x9",))


@pytest.mark.parametrize("pattern", ["(a", "(?=a)b", "x{1000}{1000}{1000}"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidSpec, match="Expected a regular expression of RE2"):
        resolved(f"matches:{pattern}")


def test_a_pattern_that_ruins_a_backtracking_engine_takes_linear_time() -> None:
    columns: list[tuple[str, Kind]] = [("a" * 200 + str(place), "numeric") for place in range(200)]
    started = time.process_time()
    assert resolve(["matches:^(a|a)*(a|a)*$"], columns, "all_predictors") == ()
    # Backtracking would take about 2^200 steps a name; a second is far beyond linear.
    assert time.process_time() - started < 1


def test_a_step_takes_only_the_kind_of_column_it_is_for() -> None:
    step = Normalize(step="normalize", columns=["x1", "species"])
    with pytest.raises(InvalidSpec, match=r"numeric columns in step 'normalize'.*'species', nomin"):
        columns_of(step, COLUMNS)
    assert columns_of(Normalize(step="normalize"), COLUMNS) == ("x1", "x2", "Xenon")


def test_a_step_for_every_predictor_takes_both_kinds() -> None:
    assert columns_of(ZeroVariance(step="zv"), COLUMNS) == tuple(name for name, _ in COLUMNS)
    assert columns_of(Remove(step="remove", columns="-x1"), COLUMNS) == (
        "x2",
        "Xenon",
        "species",
        "island_x",
    )
