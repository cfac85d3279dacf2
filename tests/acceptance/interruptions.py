"""SIGKILL in any millisecond of a training: what is resumed must end with the same bits.

    python tests/acceptance/interruptions.py --times 200 [--kind fit|cohort|both] [--seed 1]

A process trains with shuffling, dropout, a penalty and early stopping, and keeps checkpoints. It is
killed after a random time and started again until it ends; then its weights and histories are
compared with those of a training that nobody touched, and the next one begins. Prints how many
kills met a running training, how many trainings ended, and how many of those were the same. Exits
1 when one was not. `test_interruptions.py` runs a few of them in the gate.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_SETTLE_SECONDS = 300.0


@dataclass
class Tally:
    """What came of the kills."""

    kills: int = 0
    trainings: int = 0
    same: int = 0
    resumed_at: list[int] = field(default_factory=list)


def experiment(kind: str, times: int, seed: int, folder: Path) -> Tally:
    """Kill trainings of one kind `times` times and compare each that ends."""
    draws = random.Random(seed)
    started = time.monotonic()
    expected = _life(kind, folder / "untouched", None)
    assert expected is not None, "nobody kills the first one"
    lasts = float(expected.pop("seconds"))
    expected.pop("resumed_at")
    print(f"{kind}: untouched training lasts {lasts:.1f} s", flush=True)
    tally = Tally()
    while tally.kills < times:
        place = folder / f"{kind}-{tally.trainings}"
        found = None
        while found is None:
            patience = draws.uniform(0, lasts) if tally.kills < times else None
            found = _life(kind, place, patience)
            tally.kills += found is None
        found.pop("seconds")
        tally.resumed_at.append(found.pop("resumed_at"))
        tally.trainings += 1
        tally.same += found == expected
        print(
            f"{kind}: {tally.kills} kills, {tally.same} of {tally.trainings} the same", flush=True
        )
    print(
        f"{kind}: {tally.kills} kills, {tally.trainings} trainings ended, {tally.same} of them "
        f"with the same bits; resumed last at epochs {sorted(set(tally.resumed_at))}; "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    return tally


def _life(kind: str, folder: Path, patience: float | None) -> dict[str, Any] | None:
    """Let a process train; return what it found, or None when it was killed before its end."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, __file__, "--trainer", kind, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None, "it was asked for"
        assert process.stdout.readline() == "training\n"
        if patience is not None:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
        answer, _ = process.communicate(timeout=_SETTLE_SECONDS)
    if process.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(answer)
    return found


def trainer(kind: str, folder: Path) -> None:
    """Train in this process, going on from the newest checkpoint in `folder`."""
    sys.path.insert(0, str(ROOT))
    from service.engine.training import runtime

    runtime.configure(device="cpu", threads=1)
    import numpy as np

    from service.domain.fit import FitSpec
    from service.domain.network import weights_sha256
    from service.domain.optimizers import Adam
    from service.engine.training import checkpoint
    from service.engine.training.layout import padded, with_ones
    from service.engine.training.members import Member, member_of
    from service.engine.training.objective import Objective
    from service.engine.training.rows import Rows
    from service.engine.training.train import train

    draws = np.random.default_rng(7)
    x = np.zeros((4000, padded(40)), np.float32)
    with_ones(x, 40)[:, :40] = draws.normal(size=(4000, 40))
    scores = x[:, :40] @ draws.normal(size=(40, 3)) + draws.normal(size=(4000, 3))
    y = np.eye(3, dtype=np.float32)[scores.argmax(axis=1)]

    def member(engine: dict[str, Any], **model: Any) -> Member:
        spec = FitSpec.model_validate(
            {
                "kind": "fit",
                "dataset": "d",
                "outcome": "y",
                "mode": "classification",
                "model": {"seeds": [1, 2, 3], "activation": "relu", **model},
                "engine": {"validation_split": 0.25, **engine},
            }
        )
        return member_of(spec, predictors=40, levels=("a", "b", "c"))

    stopping = {"monitor": "val_loss", "patience": 40, "restore_best_weights": True}
    members = [member({"early_stopping": stopping}, hidden_units=20, dropout=0.2, epochs=300)]
    if kind == "cohort":
        soon = {**stopping, "patience": 10}
        members += [
            member({}, hidden_units=[12, 8], penalty=1e-3, epochs=100),
            member({}, hidden_units=[16, 5], dropout=0.4, epochs=140),
            member({"early_stopping": soon}, hidden_units=[9, 9], epochs=300),
        ]
    objective = Objective(
        mode="classification",
        loss="binary_crossentropy",
        metrics=("accuracy",),
        optimizer=Adam(name="adam"),
        batch_size=8,
    )
    fits = tuple(str(place) for place in range(len(members)))
    identity = checkpoint.Identity(rows={}, fits=fits, environment={})
    found = checkpoint.newest(folder, identity)
    print("training", flush=True)
    started = time.monotonic()
    trained = train(
        members,
        objective,
        11,
        Rows(x=x[:3000], y=y[:3000]),
        Rows(x=x[3000:], y=y[3000:]),
        states=found.states if found is not None else None,
        keep=lambda states: checkpoint.write(folder, identity, states),
    )
    print(
        json.dumps(
            {
                "members": [
                    {
                        "weights": weights_sha256(each.weights),
                        "history": [record.values for record in each.history],
                        "ending": [each.ending, each.stopped_epoch, each.best_epoch],
                    }
                    for each in trained
                ],
                "resumed_at": found.epoch if found is not None else 0,
                "seconds": time.monotonic() - started,
            }
        )
    )


def main() -> None:
    """Run the experiment; exit 1 when a training ended with other bits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--kind", choices=["fit", "cohort", "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trainer", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.trainer is not None:
        trainer(given.trainer[0], Path(given.trainer[1]))
        return
    kinds = ["fit", "cohort"] if given.kind == "both" else [given.kind]
    with tempfile.TemporaryDirectory() as folder:
        tallies = [experiment(kind, given.times, given.seed, Path(folder)) for kind in kinds]
    sys.exit(any(tally.same != tally.trainings for tally in tallies))


if __name__ == "__main__":
    main()
