"""Whether a dataset can be shown to a network that another dataset trained."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.datasets import Column, Dataset
from service.domain.errors import FieldError
from service.domain.names import did_you_mean
from service.domain.selectors import kind_of

_SHOWN = 5


def disagreements(
    training: Dataset,
    other: Dataset,
    *,
    predictors: Sequence[str],
    gapless: Sequence[str],
    outcomes: Sequence[str],
    loc: tuple[str | int, ...],
) -> list[FieldError]:
    """Return what keeps `other` from being predicted and judged; an empty list when nothing does.

    It needs every raw column that the recipe reads, of the training data's kind and without
    missing values where no step fills them in, and every outcome of the training data's type,
    without missing values and with no level that the training data lack. A factor must have the
    same levels in the same order; the values of text and logical outcomes may be fewer.

    Args:
        training: the dataset that the network is trained on.
        other: the validation or test data.
        predictors: the raw columns that the recipe reads.
        gapless: those of them in which no step fills in missing values.
        outcomes: the outcome columns.
        loc: where `other` is named in the request.
    """
    found: list[FieldError] = []
    names = [column.name for column in other.columns]
    lacking = [name for name in (*predictors, *outcomes) if other.column(name) is None]
    if lacking:
        found.append(
            _refused(
                loc,
                f"Expected dataset '{other.name}' to have the columns that are trained on. "
                f"It lacks {_listed(lacking)}.{did_you_mean(lacking[0], names)}",
            )
        )
    there = [column for name in predictors if (column := other.column(name)) is not None]
    strange = [
        column.name for column in there if _kind(training, column.name) != _kind(other, column.name)
    ]
    if strange:
        found.append(
            _refused(
                loc,
                f"Expected {_kind(training, strange[0])} predictors in dataset '{other.name}', as "
                f"in '{training.name}'. Received {_listed(strange)}, "
                f"which is {_type(other, strange[0])} there.",
            )
        )
    judged = [column for name in outcomes if (column := other.column(name)) is not None]
    must = {*gapless, *outcomes}
    gaps = [c.name for c in (*there, *judged) if c.n_missing and c.name in must]
    if gaps:
        found.append(
            _refused(
                loc,
                f"Expected no missing values in the columns of dataset '{other.name}' that the "
                f"network reads. Received some in {_listed(gaps)}. A step such as 'impute_median' "
                "fills them in.",
            )
        )
    for column in judged:
        known = training.column(column.name)
        if known is not None and (problem := _other_outcome(known, column, training, other)):
            found.append(_refused(loc, problem))
    return found


def _other_outcome(known: Column, column: Column, training: Dataset, other: Dataset) -> str | None:
    """Return why an outcome cannot be compared with the training data's, or None."""
    if known.is_numeric and column.is_numeric:
        return None
    same = (
        f"Expected outcome '{column.name}' of dataset '{other.name}' to be as in '{training.name}'"
    )
    if known.type != column.type:
        return (
            f"{same}: {known.type}. Received {column.type}. Declare it at upload: "
            f'options {{"columns": {{"{column.name}": {{"type": "{known.type}"}}}}}}.'
        )
    levels, expected = column.levels or (), known.levels or ()
    if known.type in ("factor", "ordered") and levels != expected:
        return (
            f"{same}: levels {_listed(expected)}, in this order. Received {_listed(levels)}. "
            "Declare the levels at upload."
        )
    new = sorted(set(levels) - set(expected))
    if new:
        return f"{same}: values {_listed(expected)}. Received {_listed(new)} too."
    return None


def _kind(dataset: Dataset, name: str) -> str:
    column = dataset.column(name)
    return kind_of(column.type) if column is not None else "absent"


def _type(dataset: Dataset, name: str) -> str:
    column = dataset.column(name)
    return column.type if column is not None else "absent"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:64]}'" for name in names[:_SHOWN])
    rest = len(names) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown or "none"


def _refused(loc: tuple[str | int, ...], msg: str) -> FieldError:
    return FieldError(loc=loc, msg=msg)
