"""The R script has the recipe, the hyperparameters and the engine arguments, as R spells them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.engine.artifact import Artifact
from service.engine.scripts.r_script import r_script
from tests.engine.exports.mixed_models import mixed_model
from tests.engine.fitted_models import fitted_model


def with_spec(artifact: Artifact, **changes: Any) -> Artifact:
    """The model with another spec; what the script prints is the spec's alone."""
    return replace(
        artifact, spec=type(artifact.spec).model_validate({**artifact.spec.model_dump(), **changes})
    )


def test_the_chapters_fit_is_the_chapters_script() -> None:
    chapters = with_spec(
        fitted_model(hidden=(30,)),
        dataset="mnist_train",
        model={
            "hidden_units": 30,
            "activation": "relu",
            "penalty": 0.01,
            "seeds": [87591, 536, 27860],
        },
        engine={
            "name": "keras",
            "metrics": ["accuracy"],
            "validation_split": 0.25,
            "early_stopping": {"monitor": "val_loss", "min_delta": 0, "patience": 10},
        },
    )
    assert (
        r_script(chapters, "relu-30@1")
        == """\
# relu-30@1 of Fitpoint, as tidymodels fits it.
# R draws other initial weights from the same seeds: another model of the same kind.
library(tidymodels)

fitpoint <- Sys.getenv("FITPOINT", "http://127.0.0.1:8000")
url <- paste0(fitpoint, "/v1/datasets/mnist_train/file?format=csv&formulas=keep")
training <- readr::read_csv(url, na = c("", "NA")) |>
  mutate(
    y = factor(y, levels = c("a", "b", "c"))
  )

a_recipe <- recipe(y ~ ., data = training) |>
  step_zv(all_predictors()) |>
  step_normalize(all_numeric_predictors())

a_model <- mlp(
  hidden_units = 30,
  penalty = 0.01,
  dropout = 0,
  epochs = 20,
  activation = "relu"
) |>
  set_engine(
    "keras",
    seeds = c(87591, 536, 27860),
    metrics = c("accuracy"),
    validation_split = 0.25,
    callbacks = list(
      keras::callback_early_stopping(
        monitor = "val_loss",
        min_delta = 0,
        patience = 10,
        restore_best_weights = FALSE
      )
    )
  ) |>
  set_mode("classification")

a_workflow <- workflow() |>
  add_recipe(a_recipe) |>
  add_model(a_model)

a_fit <- fit(a_workflow, data = training)
predict(a_fit, training)
"""
    )


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ({"step": "box_cox"}, "step_BoxCox(all_numeric_predictors())"),
        ({"step": "remove", "columns": ["a b", "-c"]}, "step_rm(`a b`, -c)"),
        ({"step": "other", "columns": "a", "threshold": 0.1}, "step_other(a, threshold = 0.1)"),
        ({"step": "pca", "columns": "matches:^x\\d"}, 'step_pca(matches("^x\\\\d"))'),
        ({"step": "ratio", "columns": "a", "denom": "b"}, "step_ratio(a, denom = denom_vars(b))"),
        (
            {"step": "impute_knn", "impute_with": "a"},
            "step_impute_knn(all_predictors(), impute_with = imp_vars(a))",
        ),
        (
            {"step": "interact", "terms": "~ a:b + a:c", "sep": "."},
            'step_interact(terms = ~ a:b + a:c, sep = ".")',
        ),
        ({"step": "interact", "columns": ["a", "b"]}, "step_interact(terms = ~ (a + b)^2)"),
        ({"step": "divide", "columns": "a", "by": 255}, "step_mutate_at(a, fn = \\(x) x / 255)"),
        ({"step": "range", "columns": "a", "clipping": False}, "step_range(a, clipping = FALSE)"),
    ],
)
def test_each_step_is_called_as_recipes_calls_it(step: dict[str, Any], call: str) -> None:
    text = r_script(with_spec(fitted_model(), recipe=[step]), "m@1")
    assert f"data = training) |>\n  {call}\n" in text


def test_names_and_texts_are_quoted_as_r_reads_them(tmp_path: Path) -> None:
    artifact, _ = mixed_model(tmp_path)
    text = r_script(with_spec(artifact, outcome="a `b\\", case_weights="weight", id="x-y"), "m@1")
    assert "recipe(`a \\`b\\\\` ~ . - `x-y`, data" in text
    assert "flag = factor(flag)" in text
    assert 'levels = c("small", "middle", "large"), ordered = TRUE)' in text
    assert "weight = importance_weights(weight)" in text
    assert "add_case_weights(weight)" in text
