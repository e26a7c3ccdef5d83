"""Intervals cover, and tests err, as often as they say: simulated studies with known scores."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import coverage
from crossed import correct
from weft.evidence.equivalence import equivalence
from weft.randomness import generator_for

WORLD = coverage.WORLDS["as on SST-2"]
GRID = coverage.grid(beyond=False)


def test_the_grid_is_the_stated_one() -> None:
    assert len(GRID) == 18
    assert {seeds for seeds, _, _ in GRID} == {3, 5, 10}
    assert {examples for _, examples, _ in GRID} == {200, 872}
    assert {sd for _, _, sd in GRID} == {0.0, 0.5, 1.5}


def test_a_simulated_study_has_the_scores_it_says() -> None:
    generator = generator_for("worlds")
    margins = [WORLD.margins(generator, 50, 2000, 1.5) for _ in range(40)]
    right = np.stack([correct(each) for each in margins])
    assert right.mean() == pytest.approx(WORLD.accuracy, abs=0.004)
    assert np.mean([coverage.losses(each) for each in margins]) == pytest.approx(
        WORLD.loss(1.5), rel=0.03
    )
    between = np.mean([(row[::2] * row[1::2]).mean() for row in right]) - WORLD.accuracy**2
    share = between / (WORLD.accuracy * (1 - WORLD.accuracy))
    assert share == pytest.approx(WORLD.examples_share, abs=0.03)
    # Seeds' accuracies spread by 1.5 points beyond the noise of 2,000 answers.
    spread = right.mean(axis=2).var(axis=1, ddof=1).mean()
    noise = WORLD.accuracy * (1 - WORLD.accuracy) * (1 - WORLD.examples_share) / 2000
    assert np.sqrt(spread - noise) == pytest.approx(0.015, rel=0.15)


@pytest.mark.parametrize("what", list(coverage.TRIALS))
def test_coverage_of_one_cell(what: str) -> None:
    cell = (5, 200, 0.5)
    found = coverage.shares(what, WORLD, cell, 300)
    if what in ("equivalence", "family"):
        assert found[0] < 0.1
    else:
        target = 0.05 if what == "difference" else 0.95
        assert found[0] == pytest.approx(target, abs=0.045)


@pytest.mark.slow
@pytest.mark.parametrize("cell", GRID, ids=str)
@pytest.mark.parametrize("what", list(coverage.TRIALS))
def test_coverage_over_the_grid(what: str, cell: coverage.Cell) -> None:
    found = coverage.shares(what, WORLD, cell, 1000 if what == "family" else 2000)
    assert coverage.in_order(what, found), f"{100 * found} %"


@pytest.mark.slow
def test_without_the_guard_three_seeds_that_spread_cover_too_rarely() -> None:
    offered, plain = coverage.shares("accuracy", WORLD, (3, 872, 3.0), 4000)
    assert plain < 0.93 < offered < 0.97


def test_equal_recipes_are_shown_to_be_so_where_the_test_set_reaches() -> None:
    generator = generator_for("reach")

    def pair() -> list[NDArray[np.float64]]:
        common = generator.standard_normal(872)
        cell = (5, 872, 0.5)
        margins = [WORLD.margins(generator, *cell, common, coverage.OVERLAP) for _ in range(2)]
        return [correct(each) for each in margins]

    margin = float(np.median([equivalence(*pair()).smallest for _ in range(200)]))
    shown = [equivalence(*pair(), margin).shown for _ in range(400)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)
