"""What a client asks of one fit: hyperparameters, `set_engine()`'s arguments, and the data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from service.domain.names import Name
from service.domain.optimizers import Optimizer, OptimizerName
from service.domain.recipe import Recipe
from service.domain.roles import ColumnNames, WithRoles
from service.domain.schema import (
    MAX_EPOCHS,
    MAX_LAYERS,
    MAX_UNITS,
    ColumnName,
    Seed,
    Spec,
)
from service.domain.tune.resampling import ValidationSet, ValidationSplit

Mode = Literal["classification", "regression"]
EngineName = Literal["keras", "keras3"]

# parsnip 1.0.3's `keras_mlp()` for "keras"; parsnip 1.6's list for "keras3".
KERAS_ACTIVATIONS = ("linear", "softmax", "relu", "elu")
KERAS3_ACTIVATIONS = (
    *KERAS_ACTIVATIONS,
    "exponential",
    "gelu",
    "hard_sigmoid",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
    "swish",
    "tanh",
)
Activation = Literal[
    "linear",
    "softmax",
    "relu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

CLASSIFICATION_LOSSES = ("binary_crossentropy", "categorical_crossentropy", "mean_squared_error")
REGRESSION_LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "huber",
    "log_cosh",
)
Loss = Literal[
    "binary_crossentropy",
    "categorical_crossentropy",
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "huber",
    "log_cosh",
]
# Keras's short names, read as the long ones.
LOSS_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
}

# An epoch record names a metric as it was asked for, as Keras does: "mse" stays "mse".
CLASSIFICATION_EPOCH_METRICS = (
    "accuracy",
    "categorical_crossentropy",
    "mean_squared_error",
    "mse",
)
REGRESSION_EPOCH_METRICS = (
    "mean_squared_error",
    "mse",
    "mean_absolute_error",
    "mae",
    "root_mean_squared_error",
    "mean_absolute_percentage_error",
    "mape",
)
EpochMetric = Literal[
    "accuracy",
    "categorical_crossentropy",
    "mean_squared_error",
    "mse",
    "mean_absolute_error",
    "mae",
    "root_mean_squared_error",
    "mean_absolute_percentage_error",
    "mape",
]

Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]
Seeds = Annotated[list[Seed], Field(min_length=3, max_length=3)]


def _long_name(value: Any) -> Any:
    return LOSS_ALIASES.get(value, value) if isinstance(value, str) else value


class Model(Spec):
    """The hyperparameters of `parsnip::mlp()`, with its names and defaults."""

    hidden_units: Units | Annotated[list[Units], Field(min_length=1, max_length=MAX_LAYERS)] = 5
    activation: Activation = "softmax"
    penalty: float = Field(default=0.0, ge=0)
    mixture: float = Field(default=0.0, ge=0, le=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    epochs: int = Field(default=20, ge=1, le=MAX_EPOCHS)
    learn_rate: float = Field(default=0.001, gt=0)
    seeds: Seeds | None = Field(
        default=None,
        description="Three integers: hidden kernels, dropout, output kernel. "
        "Drawn and recorded when absent.",
    )

    @model_validator(mode="after")
    def _penalty_or_dropout(self) -> Model:
        if self.penalty > 0 and self.dropout > 0:
            raise ValueError(
                "Expected either `penalty` or `dropout` to be 0. Received "
                f"penalty={self.penalty} and dropout={self.dropout}. Set one of them to 0."
            )
        return self


class EarlyStopping(Spec):
    """Keras's `EarlyStopping` callback."""

    monitor: str = Field(default="val_loss", max_length=64)
    min_delta: float = Field(default=0, ge=0)
    patience: int = Field(default=0, ge=0, le=MAX_EPOCHS)
    restore_best_weights: bool = False


class Engine(Spec):
    """What the chapter passes to `set_engine()`."""

    name: EngineName = "keras"
    batch_size: int = Field(default=32, ge=1, le=2**20)
    optimizer: OptimizerName | Optimizer = "adam"
    loss: Loss | None = Field(
        default=None,
        description="Default: binary_crossentropy ('keras'), categorical_crossentropy ('keras3') "
        "for classification; mean_squared_error for regression.",
    )
    metrics: Annotated[list[EpochMetric], Field(max_length=8)] = []
    validation_split: float = Field(default=0.0, ge=0, lt=1)
    validation_dataset: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    early_stopping: EarlyStopping | None = None
    shuffle_seed: Seed | None = Field(
        default=None, description="Derived from `seeds` and recorded when absent."
    )
    class_weight: dict[str, Annotated[float, Field(ge=0)]] | None = None
    terminate_on_nan: bool = True
    max_seconds: Annotated[float, Field(gt=0)] | None = None

    @field_validator("loss", mode="before")
    @classmethod
    def _loss(cls, value: Any) -> Any:
        return _long_name(value)

    @field_validator("metrics")
    @classmethod
    def _once(cls, value: list[EpochMetric]) -> list[EpochMetric]:
        if len({_long_name(name) for name in value}) != len(value):
            raise ValueError(f"Expected each metric once. Received {value}.")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Engine:
        if self.validation_split > 0 and self.validation_dataset is not None:
            raise ValueError(
                "Expected `validation_split` or `validation_dataset`, not both. Remove one of them."
            )
        if self.early_stopping is not None:
            known = self.monitors()
            if self.early_stopping.monitor not in known:
                raise ValueError(
                    f"Expected early_stopping.monitor to be one of {', '.join(known)}. "
                    f"Received '{self.early_stopping.monitor}'. A val_ value needs "
                    "`validation_split` or `validation_dataset`; a metric must be in `metrics`."
                )
        return self

    def validates(self) -> bool:
        """Return whether each epoch is validated."""
        return self.validation_split > 0 or self.validation_dataset is not None

    def monitors(self) -> tuple[str, ...]:
        """Return the names of the values that an epoch record of this engine holds."""
        names = ("loss", *self.metrics)
        return (*names, *(f"val_{name}" for name in names)) if self.validates() else names


class Evaluate(Spec):
    """A dataset on which the fitted model is judged at the end of the job."""

    dataset: Annotated[str, Field(min_length=1, max_length=128)]
    metrics: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] | None = (
        None
    )
    rows: Literal["testing"] | None = Field(
        default=None,
        description="Only the testing rows of the fit's `split`, whose dataset this is.",
    )


class FitSpec(Spec, WithRoles):
    """The body of a fit job."""

    kind: Literal["fit"]
    name: Name | None = Field(default=None, description="Names the model.")
    dataset: Annotated[str, Field(min_length=1, max_length=128)]
    outcome: ColumnNames
    mode: Mode | None = Field(
        default=None, description="Guessed from the outcome's type when absent."
    )
    case_weights: ColumnName | None = None
    id: ColumnNames | None = Field(
        default=None,
        description="Columns that name a row, and predict nothing; no step touches them.",
    )
    split: Annotated[ValidationSplit | ValidationSet, Field(discriminator="kind")] | None = Field(
        default=None,
        description="Rows that the fit never sees, for `evaluate` with rows 'testing': what "
        "validation_split leaves of the table, or the testing rows of validation_set, whose other "
        "two parts train. Default: it sees all rows.",
    )
    recipe: Recipe = []
    model: Model = Model()
    engine: Engine = Engine()
    evaluate: Annotated[list[Evaluate], Field(max_length=16)] = []
    priority: int = Field(default=0, ge=-1000, le=1000)
    tags: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=256)]],
        Field(max_length=64),
    ] = {}

    @model_validator(mode="after")
    def _activation_of_engine(self) -> FitSpec:
        if self.engine.name == "keras" and self.model.activation not in KERAS_ACTIVATIONS:
            raise ValueError(
                f"Expected model.activation to be one of {', '.join(KERAS_ACTIVATIONS)} with "
                f"engine 'keras'. Received '{self.model.activation}'. Engine 'keras3' knows it."
            )
        return self
