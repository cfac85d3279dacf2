"""The chapter's grid on a GPU with Keras's JAX backend: fused, one by one, and once more.

    python benchmarks/gpu.py [--data FOLDER] [--rows 50000] [--epochs 5] [--device auto|cpu|gpu:0]

Every training runs in a process of its own. Prints seconds a model and epoch without the first
epoch, which compiles, the peak of the device's memory, whether the same cohorts trained in another
process give the same bits, and for how many networks alone equals packed. Exits 1 when a replay
differs. Needs jax, keras, numpy, pydantic and scipy; neither TensorFlow nor a running service.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from contest import PREDICTORS, mnist_like

WIDTHS = [5, 10, 20, 30, 50, 100]
PENALTIES = [1e-5, 1e-4, 1e-2, 1e-1]
SEEDS = [47612, 67483, 96997]
Candidate = tuple[int, float]
HALVES: list[list[Candidate]] = [
    [(width, penalty) for width in WIDTHS for penalty in PENALTIES[part::2]] for part in (0, 1)
]


@dataclass(frozen=True)
class Run:
    """What a process found: its device, seconds, memory, and each network's bits."""

    device: str
    seconds: float
    peak_bytes: int | None
    hashes: dict[Candidate, str]


def train_cohorts(
    data: Path | None, rows: int, epochs: int, device: str, cohorts: Sequence[Sequence[Candidate]]
) -> Run:
    """Train cohorts one after another in this process."""
    os.environ["KERAS_BACKEND"] = "jax"
    from service.engine.training import runtime

    runtime.configure(device=device, threads=1)
    import jax

    from service.domain.fit import FitSpec
    from service.domain.network import weights_sha256
    from service.domain.optimizers import Adam
    from service.engine.training import backend
    from service.engine.training.layout import padded, with_ones
    from service.engine.training.members import Member, member_of
    from service.engine.training.objective import Objective
    from service.engine.training.rows import Rows
    from service.engine.training.train import train

    def member(candidate: Candidate) -> Member:
        model = {"hidden_units": candidate[0], "penalty": candidate[1], "epochs": epochs}
        body = {
            "kind": "fit",
            "dataset": "mnist",
            "outcome": "y",
            "mode": "classification",
            "model": {**model, "activation": "relu", "seeds": SEEDS},
        }
        spec = FitSpec.model_validate(body)
        return member_of(spec, predictors=PREDICTORS, levels=tuple("0123456789"))

    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=(),
        optimizer=Adam(name="adam"),
        batch_size=32,
    )
    unpadded, y = mnist_like(data, rows)
    x = np.zeros((rows, padded(PREDICTORS)), np.float32)
    with_ones(x, PREDICTORS)[:, :PREDICTORS] = unpadded
    seconds, hashes = 0.0, dict[Candidate, str]()
    for cohort in cohorts:
        ended: list[float] = []
        trained = train(
            [member(each) for each in cohort],
            objective,
            1,
            Rows(x=x, y=y),
            on_epoch=partial(_clock, ended),
        )
        seconds += statistics.median(np.diff(ended))
        hashes |= {
            each: weights_sha256(own.weights) for each, own in zip(cohort, trained, strict=True)
        }
    memory = jax.devices()[0].memory_stats() or {}
    models = sum(len(cohort) for cohort in cohorts)
    return Run(backend.load().device(), seconds / models, memory.get("peak_bytes_in_use"), hashes)


def _clock(ended: list[float], _records: object) -> None:
    ended.append(time.perf_counter())


def in_a_process(*arguments: object) -> Run:
    """Call `train_cohorts` in a process of its own: the device's memory is given back."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: Run = pool.apply(train_cohorts, arguments)
    return found


def main() -> None:
    """Run the three trainings and print what they found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    common = (given.data, given.rows, given.epochs, given.device)
    fused = in_a_process(*common, HALVES)
    again = in_a_process(*common, HALVES)
    singles = [[candidate] for candidate in HALVES[0][::2]]
    alone = in_a_process(*common, singles)
    print(f"device: {fused.device}")
    for name, run in (("two cohorts of 12", fused), ("six one by one", alone)):
        peak = "unknown" if run.peak_bytes is None else f"{run.peak_bytes / 2**20:.0f} MB"
        print(f"{name:18s} {run.seconds:.4f} s a model and epoch; peak device memory {peak}")
    print(f"fused against one by one: {alone.seconds / fused.seconds:.1f} times as fast")
    print(
        f"again in another process: {'the same bits' if again.hashes == fused.hashes else 'OTHER'}"
    )
    same = sum(fused.hashes[each] == own for each, own in alone.hashes.items())
    print(f"alone equals packed: {same} of {len(alone.hashes)}")
    sys.exit(again.hashes != fused.hashes)


if __name__ == "__main__":
    main()
