"""What a client asks of a tune: a fit with open arguments, a grid for them, resamples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from service.domain.fit import Evaluate
from service.domain.names import Name
from service.domain.resolve import derived_shuffle_seed
from service.domain.schema import MAX_EPOCHS, Spec
from service.domain.tune.grid import Grid
from service.domain.tune.resampling import Resamples

Rule = Literal["best", "one_std_err", "pct_loss"]
MetricName = Annotated[str, Field(min_length=1, max_length=64)]
Sort = Annotated[str, Field(min_length=1, max_length=1024)]


class Halving(Spec):
    """Successive halving over epochs: at each rung the best `1 / factor` train on."""

    kind: Literal["halving"]
    factor: int = Field(default=3, ge=2, le=100)
    min_epochs: int = Field(default=2, ge=1, le=MAX_EPOCHS)


class Finalize(Spec):
    """How the candidate is chosen that the tune publishes.

    With `refit` it is fitted again on all training rows; `epochs` "best" then trains it as many
    epochs as its best one had, rounded over the resamples. The testing rows of a validation set
    train nothing: the fit is judged on them, once.
    """

    select: Rule = "best"
    metric: MetricName | None = Field(default=None, description="Default: the first of `metrics`.")
    limit: float = Field(
        default=2.0, gt=0, description="For `pct_loss`: the loss that is accepted, in percent."
    )
    sort: Sort | None = Field(
        default=None,
        description="For `one_std_err` and `pct_loss`: ids from simplest to most complex, such as "
        "`hidden_units,-penalty`.",
    )
    refit: bool = True
    epochs: Literal["asked", "best"] = "asked"

    @model_validator(mode="after")
    def _rule_has_an_order(self) -> Finalize:
        if self.select != "best" and self.sort is None:
            raise ValueError(
                f"Expected `sort` with select '{self.select}': the ids from simplest to most "
                "complex, such as 'hidden_units,-penalty'."
            )
        return self


class LastFit(Finalize):
    """How the candidate is chosen that is fitted now, and on what it is judged."""

    evaluate: Annotated[list[Evaluate], Field(max_length=16)] | None = Field(
        default=None, description="Default: the tune's `evaluate`."
    )


class TuneSpec(Spec):
    """The body of a tune job.

    `fit` is the body of a fit without name and evaluate, in which an argument may be
    `{"tune": "id"}`, or `{"tune": true}` for its own name as the id.
    """

    kind: Literal["tune"]
    name: Name | None = Field(default=None, description="Names the model that finalize publishes.")
    fit: dict[str, JsonValue]
    grid: Grid | None = Field(
        default=None, description="Default: one candidate, as tune::fit_resamples()."
    )
    resamples: Resamples
    metrics: Annotated[list[MetricName], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Default: roc_auc, accuracy, brier_class for classification; rmse, rsq for "
        "regression. The first one ranks the candidates.",
    )
    race: Halving | None = None
    finalize: Finalize | None = None
    evaluate: Annotated[list[Evaluate], Field(max_length=16)] = []
    priority: int = Field(default=0, ge=-1000, le=1000)
    tags: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=256)]],
        Field(max_length=64),
    ] = {}


def seeded(spec: TuneSpec, draw: Callable[[], int]) -> TuneSpec:
    """Return the tune with every seed that was left open filled in, so that it can be recorded.

    All candidates get one triple of weight seeds and one shuffle seed: they are compared on equal
    terms, and train in one cohort.

    Args:
        spec: the tune as asked.
        draw: one seed in 0..2**31-1.
    """
    update: dict[str, Any] = {}
    if spec.grid is not None and getattr(spec.grid, "seed", 0) is None:
        update["grid"] = spec.grid.model_copy(update={"seed": draw()})
    if getattr(spec.resamples, "seed", 0) is None:
        update["resamples"] = spec.resamples.model_copy(update={"seed": draw()})
    return spec.model_copy(update={**update, "fit": _seeded_fit(spec.fit, draw)})


def _seeded_fit(fit: dict[str, JsonValue], draw: Callable[[], int]) -> dict[str, JsonValue]:
    model, engine = fit.get("model", {}), fit.get("engine", {})
    if not isinstance(model, dict) or not isinstance(engine, dict):
        return fit
    seeds = model.get("seeds")
    if seeds is None:
        seeds = [draw(), draw(), draw()]
    whole = [seed for seed in seeds if isinstance(seed, int)] if isinstance(seeds, list) else []
    if engine.get("shuffle_seed") is None and len(whole) == 3:
        engine = {**engine, "shuffle_seed": derived_shuffle_seed(whole)}
    return {**fit, "model": {**model, "seeds": seeds}, "engine": engine}
