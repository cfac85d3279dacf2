"""Types of CSV columns: readr's guesses, and what a declared type changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.domain.errors import InvalidSpec, UnreadableFile

Read = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2"], "numeric", [1, 2]),
        (["1", "2.5", "-3e2"], "numeric", [1, 2.5, -300]),
        ([".5", "5.", "+5", "-0"], "numeric", [0.5, 5, 5, 0]),
        (["0", "0.5", "-07"], "numeric", [0, 0.5, -7]),
        (["TRUE", "F", "true"], "logical", [True, False, True]),
        (["T", "T"], "logical", [True, True]),
        (["TRUE", "1"], "text", ["TRUE", "1"]),
        (["True", "False"], "text", ["True", "False"]),
        (["a", "1"], "text", ["a", "1"]),
        (["007", "8"], "text", ["007", "8"]),
        (["00.5", "1"], "text", ["00.5", "1"]),
        (["0x1F", "1"], "text", ["0x1F", "1"]),
        (["-0x1F", "1"], "text", ["-0x1F", "1"]),
        (["1_000", "1"], "text", ["1_000", "1"]),
        (["1,5", "1"], "text", ["1,5", "1"]),
        (["inf", "a"], "text", ["inf", "a"]),
        (["nan", "a"], "text", ["nan", "a"]),
        (["nan(1)", "1"], "text", ["nan(1)", "1"]),
        (["NaN", "1"], "numeric", [None, 1]),
        (["2024-01-31", "2024-02-01"], "text", ["2024-01-31", "2024-02-01"]),
        (["1e999x", "1"], "text", ["1e999x", "1"]),
        (["٣", "1"], "text", ["٣", "1"]),
        (["NA", "NA"], "logical", [None, None]),
        (["NA", "TRUE"], "logical", [None, True]),
        (["NA", "7"], "numeric", [None, 7]),
        (["None", "null"], "text", ["None", "null"]),
        (["9007199254740993", "1"], "numeric", [9007199254740992, 1]),
    ],
)
def test_an_undeclared_column_gets_the_type_that_readr_gives_it(
    columns_of: Read, cells: list[str], kind: str, values: list[Any]
) -> None:
    quoted = "".join(f'"{cell}",1\n' for cell in cells)
    assert columns_of("v,w\n" + quoted)["v"] == (kind, values)


def test_cells_are_trimmed_then_compared_with_na_then_typed(columns_of: Read) -> None:
    read = columns_of('a , b,c\n 1 ,\tNA\t, x y \n2,  ," NA "\n')
    assert read == {
        "a": ("numeric", [1, 2]),
        "b": ("logical", [None, None]),
        "c": ("text", ["x y", None]),
    }


def test_only_the_words_of_na_are_missing(columns_of: Read) -> None:
    read = columns_of("a,b,c\n-99,NA,\n5, ? ,x\n -99 ,?,y\n", na=["-99", "?"])
    assert read == {
        "a": ("numeric", [None, 5, None]),
        "b": ("text", ["NA", None, None]),
        "c": ("text", ["", "x", "y"]),
    }


def test_without_na_an_empty_cell_is_the_empty_text(columns_of: Read) -> None:
    assert columns_of("a,b\n,NA\n1,x\n", na=[]) == {
        "a": ("text", ["", "1"]),
        "b": ("text", ["NA", "x"]),
    }


def test_a_declared_number_may_have_leading_zeros(columns_of: Read) -> None:
    read = columns_of("a,b\n007,010\n8.5,+2\n", columns={
        "a": {"type": "numeric"}, "b": {"type": "integer"}
    })  # fmt: skip
    assert read == {"a": ("numeric", [7, 8.5]), "b": ("integer", [10, 2])}


def test_a_declared_integer_keeps_64_bits_and_may_be_written_with_decimals(
    columns_of: Read,
) -> None:
    read = columns_of("a\n9223372036854775807\n-9223372036854775808\n2.0\n1e3\n", columns={
        "a": {"type": "integer"}
    })  # fmt: skip
    assert read["a"] == ("integer", [2**63 - 1, -(2**63), 2, 1000])


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("integer", "2.5"),
        ("integer", "abc"),
        ("integer", "0x10"),
        ("integer", "1e300"),
        ("integer", "9223372036854775808"),
        ("integer", "9007199254740993.0"),
        ("integer", "inf"),
        ("numeric", "abc"),
        ("numeric", "1,5"),
        ("numeric", "0x10"),
        ("numeric", "Infinity"),
        ("numeric", "1e999"),
        ("logical", "yes"),
        ("logical", "2"),
    ],
)
def test_a_value_that_a_declared_type_does_not_have_is_named_with_its_row(
    columns_of: Read, kind: str, cell: str
) -> None:
    data = f'v,w\n1,0\nNA,0\n"{cell}",0\n'
    with pytest.raises(UnreadableFile) as caught:
        columns_of(data, columns={"v": {"type": kind}})
    (error,) = caught.value.errors
    assert error.loc == ("file", "row", 3, "column", "v")
    assert error.received == f"'{cell}'"
    assert f"'{cell}'" in caught.value.detail


def test_an_infinite_value_of_a_guessed_number_is_refused(columns_of: Read) -> None:
    with pytest.raises(UnreadableFile, match=r"Row 2, column 'v': expected a finite number"):
        columns_of("v\n1\n-inf\n3\n")
    with pytest.raises(UnreadableFile, match=r"Row 1, column 'v': .* Received '1e400'"):
        columns_of("v\n1e400\n3\n")


def test_a_declared_logical_may_be_1_and_0(columns_of: Read) -> None:
    read = columns_of("v\n1\n0\nT\n", columns={"v": {"type": "logical"}})
    assert read == {"v": ("logical", [True, False, True])}


def test_declared_text_keeps_what_looks_like_a_number(columns_of: Read) -> None:
    read = columns_of("v\n 1.50 \n2\nNA\n", columns={"v": {"type": "text"}})
    assert read == {"v": ("text", ["1.50", "2", None])}


def test_a_factor_keeps_its_declared_levels_in_their_order(reading: Any) -> None:
    table = reading.table(
        "y\nmid\nlow\n\nNA\n",
        columns={"y": {"type": "ordered", "levels": ["low", "mid", "high"]}},
    )
    # A line that is empty is no row, as in readr.
    assert table.n_rows == 3
    assert table.types["y"] == "ordered"
    assert table.levels("y") == ("low", "mid", "high")
    assert table.codes("y").tolist() == [1, 0, -1]
    assert table.strings("y") == ["mid", "low", None]


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (["10", "9", "-1", "2.5"], ("-1", "2.5", "9", "10")),
        (["b", "a", "B", "ä"], ("B", "a", "b", "ä")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["1.0", "1", "01"], ("01", "1", "1.0")),
        (["inf", "1"], ("1", "inf")),
        (["nan", "10", "9"], ("10", "9", "nan")),
    ],
)
def test_a_factor_without_levels_has_its_distinct_values_sorted(
    reading: Any, cells: list[str], levels: tuple[str, ...]
) -> None:
    data = "y,x\n" + "".join(f"{cell},1\n" for cell in [*cells, *cells])
    table = reading.table(data, columns={"y": {"type": "factor"}})
    assert table.levels("y") == levels
    assert table.strings("y") == [*cells, *cells]


def test_a_factor_without_any_value_has_no_levels(reading: Any) -> None:
    table = reading.table("y\nNA\nNA\n", columns={"y": {"type": "factor"}})
    assert table.levels("y") == ()
    assert table.codes("y").tolist() == [-1, -1]


def test_a_value_outside_the_levels_is_named_with_its_row_and_the_nearest_level(
    columns_of: Read,
) -> None:
    data = "y,x\nsetosa,1\nNA,2\nversicolour,3\nother,4\n"
    levels = ["setosa", "versicolor"]
    with pytest.raises(UnreadableFile) as caught:
        columns_of(data, columns={"y": {"type": "factor", "levels": levels}})
    assert caught.value.errors[0].loc == ("file", "row", 3, "column", "y")
    assert "Received 'versicolour'" in caught.value.detail
    assert "Did you mean 'versicolor'?" in caught.value.detail


def test_a_factor_of_too_many_distinct_values_is_refused(columns_of: Read) -> None:
    data = "id\n" + "".join(f"k{row}\n" for row in range(10_001))
    with pytest.raises(UnreadableFile, match=r"Column 'id': expected at most 10000 distinct"):
        columns_of(data, columns={"id": {"type": "factor"}})


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"speces": {"type": "factor"}}, "Did you mean 'species'?"),
        ({"zzz": {"type": "factor"}}, "Received 'zzz'"),
        ({"species": {"type": "ordered"}}, "expected levels"),
        ({"species": {"type": "numeric", "levels": ["1"]}}, "expected no levels"),
        ({"species": {"type": "factor", "levels": ["a", "b", "a"]}}, "'a' twice"),
    ],
)
def test_options_that_contradict_the_file_or_themselves_are_an_invalid_spec(
    columns_of: Read, columns: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        columns_of("species,island\na,b\n", columns=columns)
    assert says in caught.value.detail
    assert caught.value.errors[0].loc[:2] == ("options", "columns")
