"""The script that fits a model again with plain Keras: the chapter's `translate()`, in Python."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from service.domain.errors import NotExportable
from service.engine.artifact import Artifact
from service.engine.scripts.python_network import dropout_class, network_function
from service.engine.scripts.python_steps import recipe_lines
from service.engine.scripts.python_text import literal
from service.engine.scripts.python_training import main_function


def python_script(artifact: Artifact, title: str) -> str:
    """Return a script that reads the training CSV, does the recipe and fits the network.

    It needs Keras with the backend that trained the model, numpy and pandas, and nothing of ours.
    Initial weights, the order of the rows in every epoch and the dropout masks are the service's,
    so that the weights differ from the model's by rounding alone: sums of float32 in another order,
    1e-4 of the largest weight after some hundred steps, and what training makes of it later.

    Args:
        artifact: the model; its spec is a whole fit, on all rows of its dataset.
        title: the model's name and version.

    Raises:
        NotExportable: a step of the recipe that cannot be written, or a limit in seconds, whose
            last epoch nobody knows.
    """
    if artifact.spec.engine.max_seconds is not None:
        raise NotExportable(
            "Expected a fit that ends by its epochs. Received one that `max_seconds` may have "
            "ended: a script cannot stop at the same epoch."
        )
    backend = "jax" if "jax" in artifact.versions else "tensorflow"
    pieces = [
        _head(artifact, title, backend),
        _constants(artifact),
        _READING,
        _curves(artifact),
        _recipe(artifact),
        _DRAWING,
        dropout_class(artifact),
        network_function(artifact, backend),
        main_function(artifact, backend),
    ]
    return "\n\n\n".join(piece.strip("\n") for piece in pieces if piece) + "\n"


def _head(artifact: Artifact, title: str, backend: str) -> str:
    spec = artifact.spec
    validation = spec.engine.validation_dataset
    versions = [f"{name} {version}" for name, version in sorted(artifact.versions.items())]
    files = "train.csv valid.csv" if validation else "train.csv"
    told = [
        f"{title} of Fitpoint, fitted again with plain Keras.",
        "",
        *_fetch("train.csv", spec.dataset),
        *(_fetch("valid.csv", validation) if validation else ()),
        f"    python fit.py {files} model.keras",
        "",
        "The initial weights, the order of the rows and the dropout masks are the service's. The",
        "weights differ from its model's by rounding: float32 sums in another order, about 1e-4 of",
        "the largest weight after some hundred steps, and what training makes of it later.",
        f"Trained there with {', '.join(versions)}.",
    ]
    lines = [
        f'"""{_quoted(told[0])}',
        *(_quoted(line) for line in told[1:]),
        '"""',
        "",
        "import math",
        "import os",
        "import sys",
        "",
        f'os.environ["KERAS_BACKEND"] = "{backend}"',
        "",
        "import keras",
        "import numpy as np",
        "import pandas as pd",
    ]
    return "\n".join(lines)


def _fetch(file: str, dataset: str) -> Iterable[str]:
    yield f'    curl -o {file} "$FITPOINT/v1/datasets/{dataset}/file?format=csv&formulas=keep"'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _constants(artifact: Artifact) -> str:
    spec, engine = artifact.spec, artifact.spec.engine
    text = [column.name for column in artifact.columns if not column.is_numeric]
    declared = {
        column.name: list(column.levels or ())
        for column in artifact.columns
        if column.type in ("factor", "ordered")
    }
    outcome = [*text, *spec.outcomes] if artifact.levels is not None else text
    given: dict[str, Any] = {
        "OUTCOMES": list(spec.outcomes),
        "CLASSES": None if artifact.levels is None else list(artifact.levels),
        "NOT_PREDICTORS": list(spec.roles),
        "TEXT": outcome,
        "LEVELS": declared,
        "NA": list(artifact.na),
        "SEEDS": list(spec.model.seeds or ()),
        "SHUFFLE_SEED": engine.shuffle_seed,
        "EPOCHS": spec.model.epochs,
        "BATCH_SIZE": engine.batch_size,
        "VALIDATION_SPLIT": engine.validation_split,
    }
    return "\n".join(f"{name} = {literal(value)}" for name, value in given.items())


_READING = '''
def read(path):
    """Return a table as the service has it."""
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(TEXT, str),
        na_values=NA,
        keep_default_na=False,
    )


def numeric(x):
    """Return the names of the columns of numbers."""
    return [c for c in x if c not in TEXT]


def nominal(x):
    """Return the names of the columns of categories."""
    return [c for c in x if c in TEXT]
'''

_BOX_COX = '''
def box_cox(x, power):
    """Return (x^power - 1) / power, the logarithm where the power is 0."""
    x = x.where(x >= 0)
    return np.log(x) if abs(power) < 0.001 else (x**power - 1) / power
'''

_YEO_JOHNSON = '''
def yeo_johnson(x, power):
    """Return Box and Cox's of x + 1; below 0 minus that of 1 - x with 2 - power."""
    up, down = box_cox(x.clip(lower=0) + 1, power), -box_cox(1 - x.clip(upper=0), 2 - power)
    return up.where(x >= 0, down)
'''


def _curves(artifact: Artifact) -> str:
    steps = {step.step for step in artifact.spec.recipe}
    curves = [_BOX_COX] if steps & {"box_cox", "yeo_johnson"} else []
    if "yeo_johnson" in steps:
        curves.append(_YEO_JOHNSON)
    return "\n\n\n".join(curve.strip("\n") for curve in curves)


def _recipe(artifact: Artifact) -> str:
    lines = [
        "def recipe(x, levels, n):",
        '    """Learn the recipe on the first n rows of x and do it to all; return x and n."""',
        textwrap.indent("\n".join(recipe_lines(artifact)), "    ").strip("\n"),
        "    return x, n",
    ]
    return "\n".join(line for line in lines if line)


_DRAWING = '''
def generator(*entropy):
    """Return the generator that follows from some integers and from nothing else."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
'''
