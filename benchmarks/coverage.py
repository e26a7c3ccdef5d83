"""How often do the intervals of `weft.evidence` cover, and how often do its tests err?

    python benchmarks/coverage.py                     # all tables of docs/methods.md
    python benchmarks/coverage.py --what accuracy     # one of them

Prints Markdown tables over seeds x test examples x the seeds' standard deviation, in per cent of
the simulated studies (`crossed.py`). A nominal 95 % interval is in order from 93 to 97 %.
Exit codes: 0 all cells of the first grid in order, 1 some not, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from crossed import World, classes, correct, losses
from weft.evidence.compare import Cell as Answers
from weft.evidence.compare import compare
from weft.evidence.components import components
from weft.evidence.difference import paired_difference
from weft.evidence.equivalence import equivalence
from weft.evidence.f1 import f1_intervals
from weft.evidence.interval import Interval
from weft.evidence.intervals import accuracy_interval, loss_interval, t_quantile
from weft.evidence.proportion import score_ends
from weft.randomness import generator_for

SEEDS, EXAMPLES, SEED_SD = (3, 5, 10), (200, 872), (0.0, 0.5, 1.5)
BOUNDS = (0.93, 0.97)
WORLDS = {
    "as on SST-2": World(0.88, 4.5),
    "answers less steady": World(0.88, 2.0),
    "accuracy 95 %": World(0.95, 4.5),
}
OVERLAP = 0.8
BEYOND = ("accuracy", "loss", "difference")
"""Tables that also have seeds which spread by 3 points."""

Cell = tuple[int, int, float]
"""Seeds, test examples, and the seeds' standard deviation in points."""

Trial = Callable[[World, Cell, np.random.Generator], NDArray[np.bool_]]
"""One simulated study: which of the columns' intervals cover, or tests reject."""


def accuracy(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Covered: the interval offered; the same without the guard of its degrees of freedom."""
    answers = correct(world.margins(generator, *cell))
    parts = components(answers)
    binomial = parts.mean * (1 - parts.mean)
    df = (cell[0] - 1) / max((parts.seed_part / parts.variance) ** 2, 1e-9)
    number = binomial / max(parts.variance, binomial / answers.size)
    low, high = score_ends(parts.mean, number, t_quantile(0.95, df))
    offered = covers(accuracy_interval(answers), world.accuracy)
    return np.array([offered, low <= world.accuracy <= high])


def loss(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Covered: the interval offered; the same without the correction for skewness."""
    interval = loss_interval(losses(world.margins(generator, *cell)))
    assert interval.standard_error is not None
    assert interval.df is not None
    half = t_quantile(0.95, interval.df) * interval.standard_error
    truth = true_loss(world, cell[2])
    return np.array([covers(interval, truth), abs(interval.estimate - truth) <= half])


def f1(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Covered: the interval offered, from 300 resamples."""
    predicted, labels = classes(world.margins(generator, *cell), generator)
    interval, _ = f1_intervals(predicted, labels, 2, 1, generator, resamples=300)
    return np.array([covers(interval, world.f1(cell[2]))])


def difference(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Rejected at 5 % where recipes are equal; covered where one is 3 points better."""
    common = generator.standard_normal(cell[1])
    first, second, third = (
        correct(each.margins(generator, *cell, common, OVERLAP))
        for each in (world, world, worse(world))
    )
    low, high = paired_difference(first, third).interval()
    return np.array([paired_difference(first, second).p < 0.05, low <= 0.03 <= high])


def equal(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Shown to be equal within 3 points: where one recipe is 3 points better, and where equal."""
    common = generator.standard_normal(cell[1])
    first, second, third = (
        correct(each.margins(generator, *cell, common, OVERLAP))
        for each in (world, world, worse(world))
    )
    return np.array([equivalence(first, each, 0.03).shown for each in (third, second)])


def family(world: World, cell: Cell, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Three sizes of two methods: any told apart if all are equal; any interval that misses.

    The second is for adjusted intervals where sizes lie 8 points apart, so that Holm's steps run
    far and most intervals are hardly wider than plain ones.
    """
    seeds, common = tuple(range(cell[0])), generator.standard_normal(cell[1])
    shape = {"seeds": cell[0], "examples": cell[1], "seed_sd": cell[2]}
    draw = partial(World.margins, generator=generator, common=common, overlap=OVERLAP, **shape)
    found: list[bool] = []
    for gains in ((0.0, 0.0, 0.0), (0.0, 0.08, 0.16)):
        worlds = [worse(world, 0.16 - gain if any(gains) else 0.0) for gain in gains]
        cells = {
            (method, size): Answers(seeds, correct(draw(each)))
            for method in ("lora", "probe")
            for size, each in enumerate(worlds)
        }
        entries = compare(cells).comparisons
        if any(gains):
            truths = [gains[e.first[1]] - gains[e.second[1]] for e in entries]
            pairs = zip(entries, truths, strict=True)
            found.append(any(not e.adjusted_low <= true <= e.adjusted_high for e, true in pairs))
        else:
            found.append(any(entry.told_apart for entry in entries))
    return np.array(found)


TRIALS: dict[str, tuple[Trial, tuple[str, ...]]] = {
    "accuracy": (accuracy, ("covered", "covered without the guard")),
    "loss": (loss, ("covered", "covered without the correction")),
    "f1": (f1, ("covered",)),
    "difference": (difference, ("rejected if equal", "covered if 3 points apart")),
    "equivalence": (equal, ("shown if 3 points apart", "shown if equal")),
    "family": (family, ("told apart if equal", "some interval misses if 8 points apart")),
}


# Both hold tables that take longer to make than a study.
@cache
def worse(world: World, by: float = 0.03) -> World:
    """The world of a recipe of less accuracy."""
    return World(world.accuracy - by, world.difficulty)


@cache
def true_loss(world: World, seed_sd: float) -> float:
    """The expected loss in nats."""
    return world.loss(seed_sd)


def covers(interval: Interval, truth: float) -> bool:
    """Whether an interval holds the truth; one that is not offered counts as a miss."""
    return interval.low is not None and interval.low <= truth <= cast(float, interval.high)


def shares(what: str, world: World, cell: Cell, replicates: int) -> NDArray[np.float64]:
    """Share of the simulated studies in which each column's event occurred."""
    trial, columns = TRIALS[what]
    generator = generator_for("coverage", what, str(world), str(cell))
    total = np.zeros(len(columns))
    for _ in range(replicates):
        total += trial(world, cell, generator)
    return total / replicates


def in_order(what: str, found: NDArray[np.float64]) -> bool:
    """Whether the offered interval covers, and the test errs, as often as allowed."""
    low, high = BOUNDS
    if what in ("equivalence", "family"):
        return found[0] <= 1 - low
    if what == "difference":
        return 1 - high <= found[0] <= 1 - low and low <= found[1] <= high
    return low <= found[0] <= high


def grid(beyond: bool) -> list[Cell]:
    """The cells of a table; beyond the first grid also seeds that spread by 3 points."""
    spreads = (*SEED_SD, 3.0) if beyond else SEED_SD
    return [(s, n, sd) for s in SEEDS for n in EXAMPLES for sd in spreads]


def main() -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--what", choices=TRIALS, nargs="+", default=list(TRIALS))
    parser.add_argument("--world", choices=WORLDS, nargs="+", default=list(WORLDS))
    parser.add_argument("--replicates", type=int, default=4000)
    arguments = parser.parse_args()
    good = True
    for what in arguments.what:
        for name in arguments.world:
            world = WORLDS[name]
            first = name == next(iter(WORLDS))
            print(
                f"\n{what}, {name} (accuracy {100 * world.accuracy:.0f} %, examples' share of an "
                f"answer's variance {world.examples_share:.2f}), {arguments.replicates:,} studies\n"
            )
            print(f"| seeds | examples | SD, points | {' | '.join(TRIALS[what][1])} | |")
            print(f"|{'---:|' * (4 + len(TRIALS[what][1]))}".removesuffix("---:|") + ":---|")
            for cell in grid(beyond=first and what in BEYOND):
                found = shares(what, world, cell, arguments.replicates)
                fine = in_order(what, found)
                good &= fine or not first or cell[2] not in SEED_SD
                figures = " | ".join(f"{100 * share:.1f}" for share in found)
                print(
                    f"| {cell[0]} | {cell[1]} | {cell[2]} | {figures} | {'' if fine else 'out'} |",
                    flush=True,
                )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
