"""Seconds per model and epoch of the chapter's grid of 24: as cohorts, and as others do it.

    python benchmarks/grid.py --data FOLDER [--rounds 3] [--curves] [--layouts]

The grid: hidden units 5, 10, 20, 30, 50, 100 four times each, 50,000 rows. Ours are two cohorts in
two processes of one thread each at the same time. Keras, scikit-learn and our own engine one by
one train six models, one of each width, and are divided by six: the mean width is the same.
`--curves` prints seconds per model against the number of models and against hidden units instead,
`--layouts` what the same 24 cost in other cohorts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from contest import Contestant, print_ratios, take_turns
from contestants import keras_fit, ours, products, scikit_learn, single_threaded_blas

WIDTHS = [5, 10, 20, 30, 50, 100]
ROWS = 50_000
PENALTY = 1e-4


def contest(data: Path | None, rounds: int) -> None:
    """Print the grid's table."""
    half = [*WIDTHS, *WIDTHS]
    single_threaded_blas()
    contestants = {
        "(a) keras.Model.fit, one after another": Contestant(
            [keras_fit], [(data, ROWS, WIDTHS, PENALTY)], share=6
        ),
        "(b) scikit-learn MLPClassifier": Contestant(
            [scikit_learn], [(data, ROWS, WIDTHS)], share=6
        ),
        "(c) fitpoint one by one, one thread": Contestant(
            [ours], [(data, ROWS, [[hidden] for hidden in WIDTHS], PENALTY)], share=6
        ),
        "(d) bare products, BLAS, two processes": Contestant(
            [products, products], [(data, ROWS, half)] * 2, share=24
        ),
        "fitpoint, one cohort of 24, two threads": Contestant(
            [ours], [(data, ROWS, [[*half, *half]], PENALTY, 2)], share=24
        ),
        "fitpoint, two cohorts of 12, two processes": Contestant(
            [ours, ours], [(data, ROWS, [half], PENALTY)] * 2, share=24
        ),
    }
    print_ratios(
        take_turns(contestants, rounds), "(a) keras.Model.fit, one after another", "s a model"
    )


def layouts(data: Path | None, rounds: int) -> None:
    """Print what the grid costs in other cohorts, on as many cores."""

    def apart(*processes: list[list[int]], threads: int = 1) -> Contestant:
        arguments = [(data, ROWS, cohorts, PENALTY, threads) for cohorts in processes]
        return Contestant([ours] * len(processes), arguments, share=24)

    half = [*WIDTHS, *WIDTHS]
    narrow, wide = [*WIDTHS[:4]] * 4, [*WIDTHS[4:]] * 4
    one_width = [[[hidden] * 4] for hidden in WIDTHS]
    contestants = {
        "two cohorts of 12, two processes": apart([half], [half]),
        "one cohort of 24, two threads": apart([[*half, *half]], threads=2),
        "one cohort of 24, one thread": apart([[*half, *half]]),
        "four cohorts of 6, two processes": apart([WIDTHS] * 2, [WIDTHS] * 2),
        "narrow and wide apart, two processes": apart([narrow], [wide]),
        "a cohort a width, two processes": apart(
            [each for (each,) in one_width[::2]], [each for (each,) in one_width[1::2]]
        ),
        "24 fits one by one, two processes": apart(
            [[hidden] for hidden in half], [[hidden] for hidden in half]
        ),
    }
    print_ratios(take_turns(contestants, rounds), next(iter(contestants)), "s a model")


def curves(data: Path | None, rounds: int) -> None:
    """Print seconds per model and epoch against the number of models and against hidden units."""
    rows = 10_000
    by_count = {
        f"{count} models of 30 units": Contestant(
            [ours], [(data, rows, _cohorts(count, 30), PENALTY)], share=count
        )
        for count in (1, 2, 4, 8, 16, 32, 64, 128, 256)
    }
    by_width = {
        f"1 model of {hidden} units": Contestant([ours], [(data, rows, [[hidden]], PENALTY)])
        for hidden in (5, 20, 64, 100, 200, 400, 512)
    }
    for contestants in (by_count, by_width):
        print_ratios(take_turns(contestants, rounds), next(iter(contestants)), "s a model")


def _cohorts(count: int, hidden: int) -> list[list[int]]:
    """As many models in each cohort as fit below the window's 512 rows."""
    most = 512 // hidden
    return [[hidden] * min(most, count - first) for first in range(0, count, most)]


def main() -> None:
    """Run the contest and print its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--layouts", action="store_true")
    given = parser.parse_args()
    run = curves if given.curves else layouts if given.layouts else contest
    run(given.data, given.rounds)


if __name__ == "__main__":
    main()
