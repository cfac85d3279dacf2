"""Small fits that train in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from service.domain.fit import FitSpec
from service.domain.optimizers import Optimizer
from service.engine.training.layout import padded, with_ones
from service.engine.training.members import Member, member_of
from service.engine.training.objective import Objective
from service.engine.training.rows import Rows

PREDICTORS = 21
LEVELS = ("a", "b", "c")


class Small:
    """A table of 333 rows, 21 predictors and three classes, and ways to ask for fits of it."""

    def __init__(self) -> None:
        draws = np.random.default_rng(20261124)
        x = draws.normal(size=(333, PREDICTORS)).astype(np.float32)
        scores = x @ draws.normal(size=(PREDICTORS, 3)) + draws.normal(size=(333, 3))
        self.codes = np.argmax(scores, axis=1)
        self.x = np.zeros((333, padded(PREDICTORS)), np.float32)
        with_ones(self.x, PREDICTORS)[:, :PREDICTORS] = x
        self.one_hot = np.eye(3, dtype=np.float32)[self.codes]
        self.numbers = scores[:, :2].astype(np.float32)

    def rows(self, first: int = 0, last: int = 333, *, mode: str = "classification") -> Rows:
        """Rows as the program takes them, predictors padded."""
        y = self.one_hot if mode == "classification" else self.numbers
        return Rows(x=self.x[first:last], y=y[first:last])

    def unpadded(self, rows: Rows) -> Rows:
        """The same rows as plain Keras takes them."""
        return Rows(x=rows.x[:, :PREDICTORS], y=rows.y, weights=rows.weights)

    def member(
        self, *, mode: str = "classification", engine: dict[str, Any] | None = None, **model: Any
    ) -> Member:
        """A member with parsnip's defaults but for `model` and `engine`."""
        spec = FitSpec.model_validate(
            {
                "kind": "fit",
                "dataset": "small",
                "outcome": "y" if mode == "classification" else ["u", "v"],
                "mode": mode,
                "model": {"seeds": [87591, 536, 27860], **model},
                "engine": engine or {},
            }
        )
        levels = LEVELS if mode == "classification" else None
        return member_of(spec, predictors=PREDICTORS, levels=levels)

    @staticmethod
    def objective(
        mode: str = "classification",
        loss: str | None = None,
        metrics: tuple[str, ...] = (),
        optimizer: dict[str, Any] | None = None,
        batch_size: int = 32,
    ) -> Objective:
        """What a cohort shares; Adam and `keras_mlp()`'s losses by default."""
        defaults = {"classification": "binary_crossentropy", "regression": "mean_squared_error"}
        parsed = TypeAdapter(Optimizer).validate_python(optimizer or {"name": "adam"})
        return Objective(
            mode=mode,  # type: ignore[arg-type]
            loss=loss or defaults[mode],
            metrics=metrics,
            optimizer=parsed,
            batch_size=batch_size,
        )


@pytest.fixture(scope="session")
def small() -> Small:
    """The table, and ways to ask for fits of it."""
    return Small()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that compile programs more time: several of them share two cores."""
    for item in items:
        if "engine/training" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(120))
