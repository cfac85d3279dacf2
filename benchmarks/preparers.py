"""Ways to read a table and to prepare it for a network: ours, pandas', scikit-learn's.

Each takes the paths of its files, loads its libraries and what the clock is not to see, and returns
what is timed: a function of nothing that gives the float32 matrix, or what was read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

MNIST_STEPS: list[dict[str, Any]] = [{"step": "zv"}, {"step": "normalize"}]
# `f1` and `f2` have their gaps filled, `f3` and `f4` make a level of theirs.
TABLE_STEPS: list[dict[str, Any]] = [
    {"step": "impute_mean"},
    {"step": "impute_mode", "columns": ["f1", "f2"]},
    {"step": "novel"},
    {"step": "unknown", "columns": ["f3", "f4"]},
    {"step": "dummy"},
    {"step": "zv"},
    {"step": "normalize"},
]


def ours_reads(source: Path, folder: Path) -> Callable[[], object]:
    """`ingest`, as the child that reads uploads does it: stored, synced, hashed and profiled."""
    from service.domain.datasets import ReadOptions
    from service.executors.answering import hide_pandas

    hide_pandas()
    from service.engine.tables.ingest import ingest

    def read() -> object:
        stored = ingest(source, folder, ReadOptions())
        shutil.rmtree(folder)
        return stored

    return read


def our_child_reads(source: Path, folder: Path) -> Callable[[], object]:
    """What a client waits for: the same with the start of the child."""
    from service.domain.datasets import ReadOptions
    from service.executors.parsing import parse_upload

    return lambda: parse_upload(source, folder, ReadOptions())


def pandas_reads(source: Path, engine: Any) -> Callable[[], object]:
    """`read_csv` with one of its engines."""
    import pandas as pd
    import pyarrow.csv  # noqa: F401  (as warm as ours)

    return lambda: pd.read_csv(source, engine=engine)


def ours_prepares(stored: Path, steps: list[dict[str, Any]]) -> Callable[[], Matrix]:
    """`prep` on all rows of a canonical file, and `bake`."""
    from pydantic import TypeAdapter

    from service.domain.recipe import Recipe
    from service.engine.recipe import bake, prep
    from service.engine.tables.table import Table

    recipe = TypeAdapter(Recipe).validate_python(steps)

    def prepare() -> Matrix:
        table = Table.open(stored)
        return bake(prep(recipe, table, [name for name in table.types if name != "y"]), table)

    return prepare


def scikit_prepares_mnist(source: Path, dtype: Any) -> Callable[[], Matrix]:
    """`VarianceThreshold` and `StandardScaler` on a frame that was read before, in `dtype`."""
    import pandas as pd
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pd.read_csv(source).drop(columns="y")

    def prepare() -> Matrix:
        steps = make_pipeline(VarianceThreshold(), StandardScaler())
        return np.asarray(steps.fit_transform(frame.to_numpy(dtype)), dtype=np.float32)

    return prepare


def scikit_prepares(stored: Path) -> Callable[[], Matrix]:
    """`ColumnTransformer` as its users write it, on the frame that Parquet gives."""
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False)
    return _columns_transformed(stored, lambda frame: frame, encoder, np.nan, "unknown")


def scikit_prepares_codes(stored: Path) -> Callable[[], Matrix]:
    """The same on the categories' codes, float32 from the encoder on: what a patient user writes.

    It knows no levels any more, only numbers.
    """
    from sklearn.preprocessing import OneHotEncoder

    def coded(frame: Any) -> Any:
        codes = {name: frame[name].cat.codes for name in ("f1", "f2", "f3", "f4")}
        return frame.assign(**codes)

    encoder = OneHotEncoder(
        drop="first", handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    return _columns_transformed(stored, coded, encoder, -1, 127)


def _columns_transformed(
    stored: Path, changed: Callable[[Any], Any], encoder: Any, gap: Any, own: Any
) -> Callable[[], Matrix]:
    import pandas as pd
    from sklearn.base import clone
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def prepare() -> Matrix:
        frame = changed(pd.read_parquet(stored))
        numeric = [name for name in frame if name.startswith("x")]
        mode = SimpleImputer(strategy="most_frequent", missing_values=gap)
        level = SimpleImputer(strategy="constant", fill_value=own, missing_values=gap)
        steps = ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numeric),
                (
                    "filled",
                    make_pipeline(mode, clone(encoder), StandardScaler()),
                    ["f1", "f2"],
                ),
                (
                    "levels",
                    make_pipeline(level, clone(encoder), StandardScaler()),
                    ["f3", "f4"],
                ),
            ]
        )
        return np.asarray(steps.fit_transform(frame), dtype=np.float32)

    return prepare


def pandas_prepares(stored: Path) -> Callable[[], Matrix]:
    """Frames alone: `fillna`, `get_dummies`, and the mean and sd of each column."""
    import pandas as pd

    def prepare() -> Matrix:
        frame = pd.read_parquet(stored)
        numeric = [str(name) for name in frame.columns if str(name).startswith("x")]
        frame[numeric] = frame[numeric].fillna(frame[numeric].mean())
        for name in ("f1", "f2"):
            frame[name] = frame[name].fillna(frame[name].mode()[0])
        for name in ("f3", "f4"):
            frame[name] = frame[name].cat.add_categories("unknown").fillna("unknown")
        wide = pd.get_dummies(frame.drop(columns="y"), drop_first=True, dtype=np.float32)
        return ((wide - wide.mean()) / wide.std(ddof=0)).to_numpy(np.float32)

    return prepare
