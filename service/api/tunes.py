"""What a tune found: its candidates, the best, the one a rule selects, its resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api.admission import Room
from service.api.answers import PNG, SVG, cached, encode, picture
from service.api.bodies import describe, json_body
from service.api.dependencies import After, DatabaseOf, Limit, Reference, ResourcesOf
from service.api.idempotency import OnceOfJson
from service.api.openapi import NOT_MODIFIED, content, problems
from service.api.submission import queued, resolved, submit
from service.api.tune_views import Best, ResampleList, Trials, TrialView
from service.api.validation import invalid_fields, shown
from service.api.views import JobView
from service.domain.datasets import Dataset
from service.domain.errors import Conflict, FieldError
from service.domain.jobs import Job
from service.domain.last_fit import with_testing
from service.domain.names import did_you_mean
from service.domain.tune.candidates import Candidate
from service.domain.tune.combinations import logarithmic_ids
from service.domain.tune.proposals import Proposal, known_candidates
from service.domain.tune.ranking import Ranked, ranked
from service.domain.tune.resampling import MAX_RESAMPLES
from service.domain.tune.results import TrialResult, scores_of, trials_of, with_best_epochs
from service.domain.tune.selecting import select
from service.domain.tune.spec import LastFit, Rule, Sort, TuneSpec
from service.engine.plots.parallel import parallel
from service.engine.plots.tuning import tuning
from service.engine.resamples import resample_table
from service.engine.tables.storage import canonical_path
from service.engine.tables.table import Table
from service.store import jobs, proposals, trials
from service.store.database import Database
from service.store.sessions import ReadSession, WriteSession

router = APIRouter(prefix="/v1/jobs/{j}", tags=["jobs"])

Metric = Annotated[
    str | None, Query(max_length=64, description="Default: the first of the tune's metrics.")
]


@dataclass(frozen=True, kw_only=True)
class _Tune:
    job: Job
    spec: TuneSpec
    results: Sequence[TrialResult]
    proposed: Sequence[Proposal]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates that are known: a search proposes some of them while it runs."""
        return known_candidates(self.spec, self.proposed)

    def ranked(self, metric: str | None, place: str = "query") -> tuple[Ranked, ...]:
        """Return every candidate, best first by a metric; default: the tune's first one."""
        judged = self.spec.metrics
        assert judged is not None, "filled in when the tune was submitted"
        if metric is not None and metric not in judged:
            msg = f"Expected one of this tune's metrics: {', '.join(judged)}. "
            msg += f"Received '{metric}'.{did_you_mean(metric, judged)}"
            raise invalid_fields([FieldError(loc=(place, "metric"), msg=msg)])
        known = trials_of(self.candidates, self.results)
        return ranked(scores_of(self.results), known, metric or judged[0])

    def datasets(self, s: ReadSession) -> dict[str, Dataset]:
        """Return the tables by the names in the tune; raises Conflict when one was deleted."""
        found = jobs.datasets_of(s, self.job.id)
        engine = self.spec.fit.get("engine")
        validation = engine.get("validation_dataset") if isinstance(engine, dict) else None
        names = [self.spec.fit["dataset"], validation, *(e.dataset for e in self.spec.evaluate)]
        lost = [f"'{name}'" for name in names if name is not None and name not in found]
        if lost:
            raise Conflict(
                f"Expected the datasets that the tune was queued with. Deleted since then: "
                f"{', '.join(dict.fromkeys(lost))}."
            )
        return found


def _begin(after: str | None, numbers: Sequence[int]) -> int:
    """Return the place from which a page goes on, of a list of what has these numbers."""
    if after is None:
        return 0
    if not after.isdecimal() or int(after) not in numbers:
        msg = f"Expected the `next` of the page before. Received {shown(after)}."
        raise invalid_fields([FieldError(loc=("query", "after"), msg=msg)])
    return numbers.index(int(after)) + 1


def _tune(database: Database, job_id: str) -> _Tune:
    with database.read() as s:
        job = jobs.get(s, job_id)
        if job.kind != "tune":
            raise Conflict(f"Expected a tune. Job '{job_id}' is of kind {job.kind}.")
        results = trials.of_job(s, job_id)
        proposed = proposals.of_job(s, job_id)
    spec = TuneSpec.model_validate(job.spec)
    return _Tune(job=job, spec=spec, results=results, proposed=proposed)


@router.get("/trials", response_model=Trials, responses={**problems(404, 409), **NOT_MODIFIED})
def list_trials(
    request: Request,
    database: DatabaseOf,
    j: Reference,
    metric: Metric = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Every candidate, best first: judged to the end, stopped by a race, without an estimate."""
    rows = [row.as_row() for row in _tune(database, j).ranked(metric)]
    begin = _begin(after, [row["trial"] for row in rows])
    page = rows[begin : begin + limit]
    more = begin + limit < len(rows)
    told = {
        "data": page,
        "has_more": more,
        "next": str(page[-1]["trial"]) if more and page else None,
    }
    return cached(request, encode(told))


@router.get("/show_best", response_model=Best, responses={**problems(404, 409), **NOT_MODIFIED})
def show_best_trials(
    request: Request,
    database: DatabaseOf,
    j: Reference,
    metric: Metric = None,
    n: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 5,
) -> Response:
    """The best candidates so far, a running tune's leader first, those that a race stopped last."""
    rows = [row for row in _tune(database, j).ranked(metric) if row.mean is not None]
    return cached(request, encode({"data": [row.as_row() for row in rows[:n]]}))


@router.get("/select", response_model=TrialView, responses={**problems(404, 409), **NOT_MODIFIED})
def select_trial(
    request: Request,
    database: DatabaseOf,
    j: Reference,
    by: Rule = "best",
    metric: Metric = None,
    sort: Annotated[
        Sort | None,
        Query(description="Ids from simplest to most complex, such as `penalty,-hidden_units`."),
    ] = None,
    limit: Annotated[float, Query(gt=0, description="For `pct_loss`, in percent.")] = 2.0,
) -> Response:
    """The candidate that a rule selects: the best, or the simplest that is nearly as good."""
    rows = _tune(database, j).ranked(metric)
    return cached(request, encode(select(rows, by, sort=sort, limit=limit).as_row()))


@router.get(
    "/resamples", response_model=ResampleList, responses={**problems(404, 409), **NOT_MODIFIED}
)
def list_resamples(
    request: Request, resources: ResourcesOf, j: Reference, limit: Limit = 20, after: After = None
) -> Response:
    """The rows of each resample; a fold's number is its place, from 1."""
    tune = _tune(resources.database, j)
    with resources.database.read() as s:
        dataset = tune.datasets(s)[str(tune.spec.fit["dataset"])]
    table = Table.open(canonical_path(resources.settings.datasets_dir, dataset.sha256))
    begin = _begin(after, range(1, MAX_RESAMPLES + 1))
    page, more = [], False
    for fold, each in enumerate(resample_table(tune.spec.resamples, table), 1):
        if fold > begin + limit:
            more = True
            break
        if fold > begin:
            page.append(
                {
                    "fold": fold,
                    "id": each.id,
                    "id2": each.id2,
                    "analysis": (each.analysis + 1).tolist(),
                    "assessment": (each.assessment + 1).tolist(),
                }
            )
    told = {"data": page, "has_more": more, "next": str(begin + limit) if more else None}
    return cached(request, encode(told))


@router.get(
    "/plots/tune.{extension}",
    response_class=Response,
    responses={200: content(SVG, "The picture"), **problems(404, 409), **NOT_MODIFIED},
)
def plot_tune(
    request: Request,
    database: DatabaseOf,
    j: Reference,
    extension: Literal["svg", "png"],
    metric: Metric = None,
    view: Annotated[
        Literal["panels", "parallel"],
        Query(
            description="`panels` has one a hyperparameter; `parallel` has an axis for each and "
            "one for the metric, and a line a candidate, the stronger the better."
        ),
    ] = "panels",
) -> Response:
    """The metric against each hyperparameter, coloured by the one with fewest values."""
    tune = _tune(database, j)
    rows, title = tune.ranked(metric), tune.job.name or tune.job.id
    if view == "parallel":
        scales = logarithmic_ids(tune.spec)
        drawn = parallel(rows, logarithmic=scales, title=title, fmt=extension)
    else:
        drawn = tuning(rows, title=title, fmt=extension)
    return picture(request, drawn, SVG if extension == "svg" else PNG)


@router.post(
    "/finalize",
    status_code=202,
    response_model=JobView,
    responses=problems(404, 409),
    openapi_extra=describe(
        LastFit,
        best={"select": "best", "metric": "accuracy", "refit": True},
        last_fit={"select": "best", "evaluate": [{"dataset": "digits_test"}]},
    ),
    dependencies=[Room],
)
def finalize_tune(
    database: DatabaseOf,
    j: Reference,
    final: Annotated[LastFit, Depends(json_body(LastFit))],
    once: OnceOfJson,
) -> Response:
    """Queue a fit with the values of the candidate that the rule selects, on all training rows."""
    earlier = once.earlier(database)
    if earlier is not None:
        return earlier
    tune = _tune(database, j)
    if not final.refit:
        raise Conflict(
            "Expected refit to be true: a candidate's own network is published by a tune whose "
            "`finalize` says so, with one resample."
        )
    row = select(
        tune.ranked(final.metric, "body"), final.select, sort=final.sort, limit=final.limit
    )
    chosen = next(each for each in tune.candidates if each.trial == row.trial.trial)
    assert chosen.spec is not None, "a candidate with an estimate was fitted"
    spec = chosen.spec.model_copy(
        update={
            "name": tune.spec.name,
            "evaluate": tune.spec.evaluate if final.evaluate is None else final.evaluate,
            "priority": tune.spec.priority,
            "tags": tune.spec.tags,
        }
    )
    assert tune.spec.metrics is not None, "filled in when the tune was submitted"
    spec = with_testing(spec, tune.spec.resamples, tuple(tune.spec.metrics))
    if final.epochs == "best":
        spec = with_best_epochs(spec, [e for e in tune.results if e.trial == row.trial.trial])

    with database.read() as s:
        tune.datasets(s)
        found, used = resolved(s, spec)

    def create(s: WriteSession) -> Response:
        return queued(submit(s, found.spec, used, epochs=found.spec.model.epochs))

    return once.make(database, create)
