"""The chapter's grid of 24 networks on MNIST, planned, spread over two children, and judged.

    python tests/acceptance/chapter_grid.py --data ../shared/data [--epochs 20] [--alone] [--memory]

FOLDER holds mnist_train.csv.gz and chapter_assessment_rows.txt: the rows that R's split of the
chapter kept for assessment. The recipe is prepared on the other 50,000 rows alone. Prints the
candidates by accuracy, the plan, what it foretold and what it took. `--alone` trains every
candidate once more without company and compares weights and histories; `--memory` prints the peak
memory of cohorts of 1, 6, 12 and 24. Exits 1 when the chapter's best are not the best, or when a
candidate alone differs.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from service.domain.datasets import ReadOptions
from service.domain.fit import FitSpec
from service.domain.history import EpochRecord
from service.domain.plan import plan
from service.domain.planned_fit import PlannedFit, planned
from service.domain.resolve import resolve
from service.engine.task import CohortTask, FitOutcome, FitTask, Source
from service.executors.process import ProcessExecutor
from service.executors.spread import spread
from tests.executors.fits import stored

GRID = [
    (units, penalty) for units in (5, 10, 20, 30, 50, 100) for penalty in (1e-5, 1e-4, 1e-2, 1e-1)
]
BEST = {(50, 1e-5), (50, 1e-4), (100, 1e-5), (100, 1e-4)}
SEEDS = [47612, 67483, 96997]
SLOTS = 2
Found = dict[int, tuple[FitOutcome, list[dict[str, float]]]]


def split(data: Path, folder: Path) -> tuple[Source, Source]:
    """Store the chapter's analysis and assessment rows as two tables."""
    kept = {int(row) for row in (data / "chapter_assessment_rows.txt").read_text().split()}
    paths = [folder / "analysis.csv", folder / "assessment.csv"]
    with gzip.open(data / "mnist_train.csv.gz", "rb") as lines:
        streams = [path.open("wb") for path in paths]
        header = next(lines)
        for stream in streams:
            stream.write(header)
        for row, line in enumerate(lines, 1):
            streams[row in kept].write(line)
        for stream in streams:
            stream.close()
    options = ReadOptions.model_validate({"columns": {"y": {"type": "factor"}}})
    return stored(paths[0], folder, options), stored(paths[1], folder, options)


def task(sources: tuple[Source, Source], number: int, epochs: int, staging: Path) -> FitTask:
    """One candidate; its accuracy is that on the assessment rows."""
    units, penalty = GRID[number]
    body: dict[str, Any] = {
        "kind": "fit",
        "dataset": "analysis",
        "outcome": "y",
        "recipe": [{"step": "zv"}, {"step": "normalize"}],
        "model": {
            "seeds": SEEDS,
            "hidden_units": units,
            "penalty": penalty,
            "activation": "relu",
            "epochs": epochs,
        },
        "evaluate": [{"dataset": "assessment", "metrics": ["accuracy"]}],
    }
    train, test = sources
    spec = FitSpec.model_validate(body)
    resolved = resolve(spec, train.dataset, None, {"assessment": test.dataset}).spec
    staging.mkdir(parents=True)
    return FitTask(
        spec=resolved,
        training=train,
        validation=None,
        evaluations=(test,),
        staging=staging,
        trial=number + 1,
    )


def as_planned(fit: FitTask) -> PlannedFit:
    """What the plan needs to know of a candidate."""
    dataset = fit.training.dataset
    judged = {each.dataset.name: each.dataset for each in fit.evaluations}
    found = resolve(fit.spec, dataset, None, judged)
    return planned(
        fit.spec,
        rows=dataset.sha256,
        n_rows=dataset.n_rows,
        n_validation=0,
        predictors=len(found.predictors),
        outputs=found.outputs,
    )


def trained(
    cohorts: Sequence[CohortTask], children: Sequence[ProcessExecutor]
) -> tuple[Found, float]:
    """Run cohorts; return each trial's outcome and history, and the seconds it took."""
    told: list[EpochRecord] = []
    started = time.monotonic()
    outcomes = spread(cohorts, children, told.extend, lambda: False)
    seconds = time.monotonic() - started
    found: Found = {}
    for cohort, own in zip(cohorts, outcomes, strict=True):
        for fit, outcome in zip(cohort.fits, own, strict=True):
            history = [dict(record.values) for record in told if record.trial == fit.trial]
            found[fit.trial - 1] = (outcome, history)
    return found, seconds


def accuracy(outcome: FitOutcome) -> float:
    """Return the accuracy on the assessment rows."""
    assert outcome.fitted is not None, "no candidate diverges"
    value = outcome.fitted.evaluations[0].metrics["accuracy"]
    assert value is not None, "accuracy is always defined"
    return value


def peak_megabytes(child: ProcessExecutor) -> float:
    """Return the most memory that a child has held at once."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def memory(fits: Sequence[FitTask], folder: Path) -> None:
    """Print the peak memory of cohorts of several sizes, each in a child of its own."""
    for count in (1, 6, 12, 24):
        own = []
        for fit in fits[-count:]:
            model = fit.spec.model.model_copy(update={"epochs": 1})
            staging = folder / f"memory {count} {fit.trial}"
            staging.mkdir()
            spec = fit.spec.model_copy(update={"model": model})
            own.append(replace(fit, spec=spec, staging=staging))
        child = ProcessExecutor(device="cpu")
        child.start()
        before = peak_megabytes(child)
        child.run(CohortTask(fits=tuple(own)), lambda _: None, lambda: False)
        print(f"cohort of {count:2d}: peak {peak_megabytes(child):6.0f} MB (idle {before:.0f})")
        child.close()


def main() -> None:
    """Run the grid and print what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sys.exit(run(given.data, given.epochs, Path(name), given.alone, given.memory))


def run(data: Path, epochs: int, folder: Path, also_alone: bool, also_memory: bool) -> int:
    """Return the exit status: 0 when everything is as it should be."""
    sources = split(data, folder)
    fits = [task(sources, number, epochs, folder / f"fit {number}") for number in range(len(GRID))]
    children = [ProcessExecutor(device="cpu") for _ in range(SLOTS)]
    try:
        for child in children:
            child.start()
        calibration = children[0].measure()
        planned_fits = [as_planned(fit) for fit in fits]
        found = plan(planned_fits, slots=SLOTS, backend="tensorflow", calibration=calibration)
        cohorts = [
            CohortTask(fits=tuple(fits[place] for place in cohort.fits)) for cohort in found.cohorts
        ]
        by_trial, seconds = trained(cohorts, children)
        print(
            f"{len(cohorts)} cohorts of heights {[cohort.height for cohort in found.cohorts]}, "
            f"bit_exact {found.bit_exact}; {seconds:.1f} s, planned {found.expected_seconds:.1f}; "
            f"{seconds / len(GRID) / epochs:.4f} s a model and epoch, all included"
        )
        print(f"children's peak memory: {[round(peak_megabytes(each)) for each in children]} MB")
        ranked = sorted(by_trial, key=lambda place: -accuracy(by_trial[place][0]))
        for place in ranked:
            outcome = by_trial[place][0]
            assert outcome.fitted is not None, "no candidate diverges"
            units, penalty = GRID[place]
            print(
                f"{units:4d} units  penalty {penalty:<7g} accuracy {accuracy(outcome):.4f}  "
                f"{outcome.fitted.n_parameters} parameters"
            )
        best = {GRID[place] for place in ranked[:4]} == BEST
        print("top four as the chapter's:", best)
        differ = differing(fits, by_trial, children, folder) if also_alone else []
    finally:
        for child in children:
            child.close()
    if also_memory:
        memory(fits, folder)
    return int(bool(differ) or not best)


def differing(
    fits: Sequence[FitTask], packed: Found, children: Sequence[ProcessExecutor], folder: Path
) -> list[int]:
    """Train every candidate alone; print and return those whose bits differ from those packed."""
    own = []
    for fit in reversed(fits):
        staging = folder / f"alone {fit.trial}"
        staging.mkdir()
        own.append(CohortTask(fits=(replace(fit, staging=staging),)))
    alone, seconds = trained(own, children)
    differ = [
        place
        for place, (outcome, history) in alone.items()
        if outcome.fitted != packed[place][0].fitted or history != packed[place][1]
    ]
    print(
        f"alone, one after another on {SLOTS} children: {seconds:.1f} s; "
        f"{len(fits) - len(differ)} of {len(fits)} with the same weights_sha256 and history"
        + (f"; differ: {[GRID[place] for place in differ]}" if differ else "")
    )
    return differ


if __name__ == "__main__":
    main()
