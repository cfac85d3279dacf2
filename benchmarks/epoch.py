"""Seconds an epoch of the chapter's 30-unit relu fit: ours against `keras.Model.fit`.

    python benchmarks/epoch.py --data FOLDER [--rounds 7]

FOLDER holds `mnist.npz`; without it the rows are random numbers of the same shape. Each contestant
lives in a process of its own, as it would for its user: Keras with the backend's default threads,
ours with the one thread of a worker's child. They take turns, an epoch each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from contest import Contestant, print_ratios, take_turns
from contestants import keras_fit, ours


def main() -> None:
    """Run the contest and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=60_000)
    given = parser.parse_args()
    contestants = {
        "keras.Model.fit": Contestant([keras_fit], [(given.data, given.rows, [30], 0.0)]),
        "keras.Model.fit, steps_per_execution=125": Contestant(
            [keras_fit], [(given.data, given.rows, [30], 0.0, 125)]
        ),
        "fitpoint, one fit, one thread": Contestant(
            [ours], [(given.data, given.rows, [[30]], 0.0)]
        ),
        "fitpoint, one fit, two threads": Contestant(
            [ours], [(given.data, given.rows, [[30]], 0.0, 2)]
        ),
    }
    seconds = take_turns(contestants, given.rounds)
    print_ratios(seconds, "keras.Model.fit", "median s")


if __name__ == "__main__":
    main()
