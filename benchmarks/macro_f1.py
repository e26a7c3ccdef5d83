"""How often does the interval of one adapter's macro F1 cover, over many classes?

    python benchmarks/macro_f1.py [--replicates 1000] [--classes 77]

An adapter is fixed: class c has a share of the texts and a share of right answers, both drawn once;
a wrong answer goes to another class by a matrix drawn once, mostly to a few neighbours. So its
macro F1 on the population is known. Test sets are drawn from that population, and per cent of the
intervals that hold the truth are printed, from 300 resamples each, and of those that lie too low
and too high; also for cells where none is offered, because each class has too few examples. A
nominal 95 % interval is in order from 93 to 97 %.
Exit codes: 0 all cells with an interval in order, 1 some not, 2 usage.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from weft.evidence.f1 import FEWEST_A_CLASS, f1_intervals
from weft.randomness import generator_for

CELLS = ((20, 872), (20, 3080), (77, 872), (77, 3080))
SHARES = {"equal shares": 0.0, "unequal shares": 0.6}  # SD of a class's log share
ACCURACIES = (0.92, 0.75)
BOUNDS = (0.93, 0.97)


def population(classes: int, spread: float, accuracy: float) -> NDArray[np.float64]:
    """(C, C) probability of each true and given class."""
    draw = generator_for("macro F1", classes, str(spread), str(accuracy))
    shares = np.exp(spread * draw.standard_normal(classes))
    right = draw.beta(20 * accuracy, 20 * (1 - accuracy), classes)
    wrong = draw.gamma(0.2, size=(classes, classes))
    np.fill_diagonal(wrong, 0)
    table = wrong / wrong.sum(axis=1, keepdims=True) * (1 - right)[:, None] + np.diag(right)
    return table * (shares / shares.sum())[:, None]


def macro_f1(table: NDArray[np.float64]) -> float:
    """Of the whole population."""
    return float((2 * np.diag(table) / (table.sum(axis=0) + table.sum(axis=1))).mean())


def covered(
    classes: int, examples: int, name: str, accuracy: float, replicates: int
) -> tuple[float, float, float]:
    """Shares of test sets whose interval lies below the truth, and above it; bias of the score."""
    table = population(classes, SHARES[name], accuracy)
    truth, flat = macro_f1(table), table.ravel() / table.sum()
    above = below = 0
    bias = 0.0
    for place in range(replicates):
        draw = generator_for("test set", classes, examples, name, place)
        both = draw.choice(len(flat), size=examples, p=flat)
        labels, predicted = both // classes, both % classes
        interval, _ = f1_intervals(
            predicted[None], labels, classes, None, draw, resamples=300, fewest=0
        )
        assert interval.low is not None
        assert interval.high is not None
        above += truth > interval.high
        below += truth < interval.low
        bias += interval.estimate - truth
    return above / replicates, below / replicates, bias / replicates


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--classes", type=int, help="these alone, e.g. 77")
    given = parser.parse_args()
    print(
        "| classes | examples | shares | accuracy | offered | covers | too low | too high | bias |"
    )
    print("|---:|---:|:---|---:|:---|---:|---:|---:|---:|")
    fine = True
    for classes, examples in CELLS:
        if given.classes not in (None, classes):
            continue
        offered = examples >= FEWEST_A_CLASS * classes
        for name in SHARES:
            for accuracy in ACCURACIES:
                found = covered(classes, examples, name, accuracy, given.replicates)
                share = 1 - found[0] - found[1]
                fine &= not offered or BOUNDS[0] <= share <= BOUNDS[1]
                print(
                    f"| {classes} | {examples:,} | {name} | {accuracy:.0%} |"
                    f" {'yes' if offered else 'no'} | {100 * share:.1f} |"
                    f" {100 * found[0]:.1f} | {100 * found[1]:.1f} | {100 * found[2]:+.2f} |",
                    flush=True,
                )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
