"""Datasets that libraries ship, with the columns that R users know them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from service.domain.datasets import BuiltinRequest
from service.domain.errors import FieldError, InvalidSpec
from service.engine.tables.column import Span, stored_numbers
from service.engine.tables.storage import ColumnPlan

# scikit-learn's digits have no parts of their own: the last fifth is the test part, in its order,
# in which the ten digits take turns.
DIGITS_TEST_ROWS = 360

_IRIS = ("Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width")
_DIGITS = tuple(str(digit) for digit in range(10))

BuiltTable = tuple[list[ColumnPlan], list[Any]]


def builtin_table(request: BuiltinRequest) -> BuiltTable:
    """Return the plans and arrays of a built-in dataset.

    | set | columns | outcome |
    |---|---|---|
    | mnist, fashion_mnist | y, x1 to x784 (0 to 255, x runs fastest) | factor y, "0" to "9" |
    | digits | y, x1 to x64 (0 to 16) | factor y; train 1,437 rows, test the last 360 |
    | iris | R's four, such as Sepal.Length | factor Species |
    | wine | scikit-learn's thirteen | factor class: class_0, class_1, class_2 |
    | breast_cancer | scikit-learn's thirty, _ for blanks | factor diagnosis: malignant, benign |
    | diabetes | age, sex, bmi, bp, s1 to s6 in their units | numeric y |

    Raises:
        InvalidSpec: part "test" of a set without parts.
        Unavailable: an image set that cannot be downloaded.
    """
    if request.builtin in ("mnist", "fashion_mnist"):
        # The one import of the training part from here: keras.datasets lies behind it.
        from service.engine.training.builtin_images import load_images

        images, labels = load_images(request.builtin, request.part)
        return _image_table(images, labels)
    if request.builtin == "digits":
        return _digits(request.part)
    if request.part == "test":
        detail = (
            f"Expected part 'train' for '{request.builtin}', which has no parts. "
            "Received 'test'. Split the dataset after its upload."
        )
        raise InvalidSpec(detail, errors=[FieldError(loc=("part",), msg=detail)])
    return _scikit_table(request.builtin)


def _digits(part: str) -> BuiltTable:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rows = slice(-DIGITS_TEST_ROWS, None) if part == "test" else slice(-DIGITS_TEST_ROWS)
    return _image_table(images[rows], labels[rows])


def _image_table(images: NDArray[Any], labels: NDArray[Any]) -> BuiltTable:
    names = [f"x{pixel}" for pixel in range(1, images.shape[1] + 1)]
    outcome = _factor("y", labels, _DIGITS)
    return _joined([outcome, *_numeric(names, images)])


def _scikit_table(name: str) -> BuiltTable:
    from sklearn import datasets

    if name == "diabetes":
        bunch = datasets.load_diabetes(scaled=False)
        return _joined(
            [*_numeric(bunch.feature_names, bunch.data), *_numeric(["y"], bunch.target[:, None])]
        )
    bunch = getattr(datasets, f"load_{name}")()
    names = _IRIS if name == "iris" else [word.replace(" ", "_") for word in bunch.feature_names]
    outcome = {"iris": "Species", "wine": "class", "breast_cancer": "diagnosis"}[name]
    levels = [str(level) for level in bunch.target_names]
    return _joined([*_numeric(names, bunch.data), _factor(outcome, bunch.target, levels)])


def _numeric(names: Sequence[str], values: NDArray[Any]) -> list[tuple[ColumnPlan, Any]]:
    columns = []
    for at, name in enumerate(names):
        numbers = np.ascontiguousarray(values[:, at], dtype=np.float64)
        span = Span()
        span.add(numbers)
        plan = span.plan(name, "numeric")
        columns.append((plan, stored_numbers(pa.array(numbers), plan.storage)))
    return columns


def _factor(name: str, codes: NDArray[Any], levels: Sequence[str]) -> tuple[ColumnPlan, Any]:
    plan = ColumnPlan(name=name, type="factor", storage="codes", levels=tuple(levels))
    return plan, pa.array(codes.astype(np.int32))


def _joined(columns: Sequence[tuple[ColumnPlan, Any]]) -> BuiltTable:
    return [plan for plan, _ in columns], [values for _, values in columns]
