"""Optimizers with Keras's names, arguments and defaults; the step size is `model.learn_rate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from service.domain.schema import Spec

OptimizerName = Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "adamax", "nadam"]

_Beta = Annotated[float, Field(ge=0, lt=1)]
_Epsilon = Annotated[float, Field(gt=0)]


class Adam(Spec):
    """keras.optimizers.Adam."""

    name: Literal["adam"]
    beta_1: _Beta = 0.9
    beta_2: _Beta = 0.999
    epsilon: _Epsilon = 1e-7
    amsgrad: bool = False


class AdamW(Spec):
    """keras.optimizers.AdamW; the decay applies to every kernel and bias, as Keras does."""

    name: Literal["adamw"]
    weight_decay: float = Field(default=0.004, ge=0)
    beta_1: _Beta = 0.9
    beta_2: _Beta = 0.999
    epsilon: _Epsilon = 1e-7
    amsgrad: bool = False


class SGD(Spec):
    """keras.optimizers.SGD."""

    name: Literal["sgd"]
    momentum: float = Field(default=0.0, ge=0, le=1)
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("Expected `momentum` above 0 with `nesterov`. Received 0.")
        return self


class RMSprop(Spec):
    """keras.optimizers.RMSprop."""

    name: Literal["rmsprop"]
    rho: _Beta = 0.9
    momentum: float = Field(default=0.0, ge=0, le=1)
    epsilon: _Epsilon = 1e-7
    centered: bool = False


class Adagrad(Spec):
    """keras.optimizers.Adagrad."""

    name: Literal["adagrad"]
    initial_accumulator_value: float = Field(default=0.1, ge=0)
    epsilon: _Epsilon = 1e-7


class Adamax(Spec):
    """keras.optimizers.Adamax."""

    name: Literal["adamax"]
    beta_1: _Beta = 0.9
    beta_2: _Beta = 0.999
    epsilon: _Epsilon = 1e-7


class Nadam(Spec):
    """keras.optimizers.Nadam."""

    name: Literal["nadam"]
    beta_1: _Beta = 0.9
    beta_2: _Beta = 0.999
    epsilon: _Epsilon = 1e-7


Optimizer = Annotated[
    Adam | AdamW | SGD | RMSprop | Adagrad | Adamax | Nadam, Field(discriminator="name")
]

_ADAPTER: TypeAdapter[Optimizer] = TypeAdapter(Optimizer)


def optimizer_of(value: OptimizerName | Optimizer) -> Optimizer:
    """Return an optimizer with all its arguments; a name alone means Keras's defaults."""
    return _ADAPTER.validate_python({"name": value}) if isinstance(value, str) else value
