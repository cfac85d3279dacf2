"""The names that R's recipes gives to the columns which steps make."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from service.domain.errors import FieldError, InvalidSpec

_RESERVED = frozenset(
    [
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "NA",
        "NA_integer_",
        "NA_real_",
        "NA_character_",
        "NA_complex_",
        "in",
    ]
)
_STARTS_WELL = re.compile(r"[^\W\d_]|\.(?!\d)")
_INVALID = re.compile(r"[^\w.]")


def make_names(text: str) -> str:
    """Return a syntactic name of R, as `make.names` makes it of one string.

    Letters, digits, dots and underscores stay, anything else becomes a dot. "X" is put before what
    does not begin with a letter or a dot without a digit; a reserved word gets a dot at its end.
    """
    name = text if _STARTS_WELL.match(text) else f"X{text}"
    name = _INVALID.sub(".", name)
    return f"{name}." if name in _RESERVED else name


def numbered(count: int, prefix: str) -> tuple[str, ...]:
    """Return names with numbers from 1 of equal width, as recipes' `names0`: PC01, ..., PC10."""
    width = len(str(count))
    return tuple(f"{prefix}{number:0{width}}" for number in range(1, count + 1))


def dummy_names(
    column: str, levels: Iterable[str], *, ordered: bool, one_hot: bool = False
) -> tuple[str, ...]:
    """Return the names of a factor's dummy columns, as recipes' `dummy_names`.

    `column_level` for each level but the first (each level when `one_hot`), the level by
    `make_names`; of an ordered factor `column_1`, `column_2`, ... in the width of their count.
    """
    of_levels = tuple(levels)
    of_columns = of_levels if one_hot else of_levels[1:]
    if ordered:
        return numbered(len(of_columns), f"{column}_")
    return tuple(f"{column}_{make_names(level)}" for level in of_columns)


def spline_names(column: str, count: int) -> tuple[str, ...]:
    """Return the names of a natural spline's basis: `column_ns_1`, ... in the width of `count`."""
    return numbered(count, f"{column}_ns_")


def polynomial_names(column: str, degree: int) -> tuple[str, ...]:
    """Return the names of orthogonal polynomials: `column_poly_1`, ... without leading zeros."""
    return tuple(f"{column}_poly_{power}" for power in range(1, degree + 1))


def ratio_name(numerator: str, denominator: str) -> str:
    """Return the name of a ratio: `numerator_o_denominator` by `make_names`."""
    return make_names(f"{numerator}_o_{denominator}")


def require_new(step: str, made: Sequence[str], others: Collection[str]) -> None:
    """Refuse new columns that have the name of another.

    Args:
        step: the step that makes them, for the message.
        made: the new columns.
        others: the columns that stay beside them.

    Raises:
        InvalidSpec: a name would be there twice.
    """
    seen = set(others)
    for name in made:
        if name in seen:
            detail = (
                f"Expected new names for the columns that step '{step}' makes. Received "
                f"'{name}' twice. Drop the other column first, or rename what it is made of."
            )
            raise InvalidSpec(
                detail, errors=[FieldError(loc=("recipe",), msg=detail, received=name)]
            )
        seen.add(name)
