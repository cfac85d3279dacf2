"""From a fit's body to a queued job: the datasets it names, what they decide, one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from fastapi import Response

import service
from service import calibrations
from service.api.answers import answer
from service.api.views import job_path, job_view
from service.domain.datasets import Dataset
from service.domain.errors import FieldError, InvalidSpec, NotFound
from service.domain.fit import FitSpec
from service.domain.jobs import Job
from service.domain.plan import Plan
from service.domain.resolve import Resolved, resolve, spec_sha256
from service.domain.tune.spec import TuneSpec
from service.planning import plan_of
from service.settings import Settings
from service.store import datasets, jobs, reuse
from service.store.sessions import ReadSession, WriteSession

Used = Mapping[str, Dataset]
Wanted = tuple[str, tuple[str | int, ...]]


def resolved(s: ReadSession, spec: FitSpec) -> tuple[Resolved, Used]:
    """Return the fit with everything filled in, and its datasets by the name the spec uses.

    Raises:
        InvalidSpec, MissingValues, NoPredictors: what spec and profiles decide.
    """
    wanted: list[Wanted] = [(spec.dataset, ("dataset",))]
    if spec.engine.validation_dataset is not None:
        wanted.append((spec.engine.validation_dataset, ("engine", "validation_dataset")))
    wanted += [(each.dataset, ("evaluate", at, "dataset")) for at, each in enumerate(spec.evaluate)]
    used = named(s, wanted)
    validation = spec.engine.validation_dataset
    found = resolve(
        spec, used[spec.dataset], used[validation] if validation is not None else None, used
    )
    return found, used


def named(s: ReadSession, wanted: Sequence[Wanted]) -> Used:
    """Return the datasets of some names, each with its place in the body.

    Raises:
        InvalidSpec: a name that no dataset has; every such place is told.
    """
    used: dict[str, Dataset] = {}
    unknown: list[FieldError] = []
    for name, loc in wanted:
        try:
            if name not in used:
                used[name] = datasets.get(s, name)
        except NotFound as error:
            unknown.append(FieldError(loc=("body", *loc), msg=error.detail, received=name))
    if unknown:
        raise InvalidSpec(unknown[0].msg, errors=unknown)
    return used


def queued(job: Job) -> Response:
    """Return the answer that a job was accepted."""
    return answer(job_view(job), status=202, headers={"Location": job_path(job.id)})


def submit(
    s: WriteSession, spec: FitSpec | TuneSpec, used: Used, *, epochs: int, trials: int = 1
) -> Job:
    """Queue a resolved fit or tune that runs at most so many epochs, all its fits together."""
    return jobs.submit(
        s,
        jobs.NewJob(
            spec=spec.model_dump(mode="json"),
            spec_sha256=spec_sha256(spec),
            kind=spec.kind,
            name=spec.name,
            priority=spec.priority,
            tags=spec.tags,
            epochs=epochs,
            trials=trials,
            datasets={name: dataset.id for name, dataset in used.items()},
        ),
    )


def reusable(s: ReadSession, spec: FitSpec, used: Used, backend: str) -> Job | None:
    """Return a succeeded job of the same spec and data whose environment is the one in force here.

    The environment is what is installed beside this process: the worker of one machine is the
    same. A worker elsewhere with other versions is noticed, another processor is not.
    """
    data = {name: dataset.sha256 for name, dataset in used.items()}
    here = _versions_here(backend)
    return next(
        (
            job
            for job in reuse.succeeded_like(s, spec_sha256(spec), data)
            if here.items() <= (job.versions or {}).items()
        ),
        None,
    )


def expected(found: Resolved, settings: Settings) -> Plan:
    """Return a fit's plan, with seconds once a worker has measured what training costs here."""
    calibration = calibrations.newest(settings.data_dir, _versions_here(settings.backend))
    return plan_of(found, settings.backend, calibration)


def _versions_here(backend: str) -> dict[str, str]:
    """Return what a worker's environment must have among its versions to be like this process's."""
    installed = {name: installed_version(name) for name in ("keras", "numpy", backend)}
    return {
        "fitpoint": service.__version__,
        "backend": backend,
        **{name: found for name, found in installed.items() if found},
    }


def installed_version(package: str) -> str | None:
    # From the installed package's metadata: importing it would take seconds.
    try:
        return version(package)
    except PackageNotFoundError:
        return None
