"""On which rows candidates are trained and judged: resamples as a client writes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import FailFast, Field, model_validator

from service.domain.schema import ColumnName, Seed, Spec

MAX_RESAMPLES = 1000

Share = Annotated[float, Field(gt=0, lt=1)]
Times = Annotated[int, Field(ge=1, le=MAX_RESAMPLES)]
# At the first wrong number it stops: of millions, one error tells enough.
RowNumbers = Annotated[
    list[Annotated[int, Field(ge=1, le=2**53)]],
    Field(min_length=1, max_length=10_000_000),
    FailFast(),
]


class _Drawn(Spec):
    seed: Seed | None = Field(default=None, description="Drawn and recorded when absent.")


class _Stratified(_Drawn):
    strata: ColumnName | None = Field(
        default=None,
        description="A column whose values every resample holds in the table's shares; of more "
        "than five distinct numbers, its quarters.",
    )


class ValidationSplit(_Stratified):
    """One resample: a share of the rows for analysis, the others for assessment."""

    kind: Literal["validation_split"]
    prop: Share = 0.75


class ValidationSet(_Stratified):
    """One resample and a test set: shares for analysis and assessment, the rest for testing."""

    kind: Literal["validation_set"]
    prop: Annotated[list[Share], Field(min_length=2, max_length=2)] = [0.6, 0.2]

    @model_validator(mode="after")
    def _leaves_a_rest(self) -> ValidationSet:
        if sum(self.prop) >= 1:
            raise ValueError(
                "Expected two shares whose sum is below 1, so that rows for testing are left. "
                f"Received {self.prop[0]:g} and {self.prop[1]:g}. `validation_split` has no such "
                "rows."
            )
        return self


class VFold(_Stratified):
    """V-fold cross-validation: each row is assessed once per repeat (rsample::vfold_cv)."""

    kind: Literal["vfold"]
    v: Annotated[int, Field(ge=2, le=MAX_RESAMPLES)] = 10
    repeats: Times = 1


class Bootstrap(_Stratified):
    """Rows drawn with replacement, assessed on those never drawn (rsample::bootstraps)."""

    kind: Literal["bootstrap"]
    times: Times = 25


class MonteCarlo(_Stratified):
    """Independent splits, `prop` of the rows for analysis (rsample::mc_cv)."""

    kind: Literal["mc"]
    prop: Share = 0.75
    times: Times = 25


class GroupVFold(_Drawn):
    """Folds that keep the rows of a group together (rsample::group_vfold_cv)."""

    kind: Literal["group_vfold"]
    group: ColumnName
    v: Annotated[int, Field(ge=2, le=MAX_RESAMPLES)] | None = Field(
        default=None, description="Default: a fold for each group."
    )


class RollingOrigin(Spec):
    """Rows in the order of time: each resample assesses what follows its analysis rows.

    As rsample::rolling_origin: the first resample analyses `initial` rows and assesses the next
    `assess`; each further one begins `skip` + 1 rows later. With `cumulative` its analysis rows
    begin at the first row.
    """

    kind: Literal["rolling_origin"]
    initial: Annotated[int, Field(ge=1)] = 5
    assess: Annotated[int, Field(ge=1)] = 1
    skip: Annotated[int, Field(ge=0)] = 0
    cumulative: bool = True


class GivenSplit(Spec):
    """A resample's rows, 1-based as in R; a row may stand in the analysis more than once."""

    analysis: RowNumbers
    assessment: RowNumbers


class GivenRows(Spec):
    """Resamples whose rows are given (rsample::manual_rset)."""

    kind: Literal["rows"]
    splits: Annotated[list[GivenSplit], Field(min_length=1, max_length=MAX_RESAMPLES)]


Resamples = Annotated[
    ValidationSplit
    | ValidationSet
    | VFold
    | Bootstrap
    | MonteCarlo
    | GroupVFold
    | RollingOrigin
    | GivenRows,
    Field(discriminator="kind"),
]
