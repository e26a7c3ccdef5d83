"""F1 by weights against scikit-learn, and its interval against other ways to the same variance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import f1_score

from weft.evidence.components import components, degrees_of_freedom
from weft.evidence.f1 import FEWEST_A_CLASS, f1_intervals, weighted_f1
from weft.evidence.interval import CROSSED, EXAMPLES_ONLY, ONE_ADAPTER
from weft.randomness import generator_for

RNG = generator_for("tests", "f1")


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.booleans())
def test_weights_count_as_repeated_examples_do(draw: int, classes: int, binary: bool) -> None:
    rng = np.random.default_rng(draw)
    labels, predicted = rng.integers(0, classes, 12), rng.integers(0, classes, (3, 12))
    weights = rng.integers(0, 3, (2, 12))
    weights[:, 0] += 1
    positive = 1 if binary and classes == 2 else None
    found = weighted_f1(predicted, labels, classes, positive, weights.astype(np.float64))
    kind = {"average": "macro"} if positive is None else {"average": "binary", "pos_label": 1}
    for w, counts in enumerate(weights):
        for s in range(3):
            true, given_ = np.repeat(labels, counts), np.repeat(predicted[s], counts)
            assert found[w, s] == pytest.approx(f1_score(true, given_, zero_division=0, **kind))


def simulated(seeds: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    labels = RNG.integers(0, 2, examples)
    margins = 2 + 3 * RNG.standard_normal(examples) + RNG.logistic(size=(seeds, examples))
    margins += 0.5 * RNG.standard_normal((seeds, 1))
    return np.where(margins > 0, labels, 1 - labels), labels


@pytest.mark.parametrize("seeds", [3, 6])
def test_the_variance_is_that_of_the_linearised_score(seeds: int) -> None:
    predicted, labels = simulated(seeds, 800)
    found, _ = f1_intervals(predicted, labels, 2, 1, generator_for("draws"), resamples=8000)
    hit = (predicted == 1) & (labels == 1)
    either = (predicted == 1).astype(np.float64) + (labels == 1)
    score = 2 * hit.sum(axis=1) / either.sum(axis=1)
    # The delta method: a ratio of means is, near its value, the mean of these.
    influence = score[:, None] + (2 * hit - score[:, None] * either) / either.mean(axis=1)[:, None]
    parts = components(influence)
    assert found.estimate == pytest.approx(score.mean())
    assert found.standard_error == pytest.approx(np.sqrt(parts.variance), rel=0.05)
    expected = degrees_of_freedom(seeds, parts.seed_part / parts.variance, 800)
    assert found.df == pytest.approx(expected, rel=0.15)


def test_bounds_are_symmetric_on_the_logits_scale() -> None:
    predicted, labels = simulated(4, 150)
    found, _ = f1_intervals(predicted, labels, 2, 1, generator_for("draws"), level=0.9)
    low, centre, high = (np.log(x / (1 - x)) for x in (found.low, found.estimate, found.high))
    half = t.ppf(0.95, found.df) * found.standard_error / found.estimate / (1 - found.estimate)
    assert (high - centre, centre - low) == (pytest.approx(half), pytest.approx(half))
    assert found.noise == CROSSED


def test_one_adapter_varies_with_its_test_set_alone() -> None:
    predicted, labels = simulated(1, 400)
    _, (found,) = f1_intervals(predicted, labels, 2, 1, generator_for("draws"), resamples=4000)
    rows = RNG.integers(0, 400, (4000, 400))
    drawn = [f1_score(labels[row], predicted[0, row]) for row in rows[:1500]]
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.1)
    assert found.noise == ONE_ADAPTER


def test_below_three_seeds_training_noise_is_not_measured() -> None:
    predicted, labels = simulated(2, 100)
    found, _ = f1_intervals(predicted, labels, 2, None, generator_for("d"))
    assert found.noise == EXAMPLES_ONLY


def test_draws_come_from_the_generator_alone_and_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predicted, labels = simulated(3, 90)
    whole = f1_intervals(predicted, labels, 2, None, generator_for("d"), resamples=50)
    assert whole == f1_intervals(predicted, labels, 2, None, generator_for("d"), resamples=50)
    assert whole != f1_intervals(predicted, labels, 2, None, generator_for("e"), resamples=50)
    monkeypatch.setattr("weft.evidence.f1._AT_ONCE", 90 * 7)
    assert whole == f1_intervals(predicted, labels, 2, None, generator_for("d"), resamples=50)


@pytest.mark.parametrize("positive", [1, None])
@pytest.mark.parametrize("mistaken", [False, True])
def test_where_nothing_varies_there_is_no_interval(positive: int | None, mistaken: bool) -> None:
    labels = np.array([0, 1] * 20)
    predicted = np.tile(1 - labels if mistaken else labels, (3, 1))
    found, _ = f1_intervals(predicted, labels, 2, positive, generator_for("d"))
    assert not found.offered
    assert found.estimate == (0.0 if mistaken else 1.0)
    assert found.noise.startswith("no interval")


@pytest.mark.parametrize(("examples", "offered"), [(159, False), (160, True)])
def test_macro_f1_of_few_examples_a_class_has_no_interval(examples: int, offered: bool) -> None:
    labels = np.arange(examples) % 4
    predicted = np.where(RNG.random((3, examples)) < 0.8, labels, (labels + 1) % 4)
    recipe, adapters = f1_intervals(predicted, labels, 4, None, generator_for("d"), resamples=50)
    for found in (recipe, *adapters):
        assert found.offered == offered
        assert offered or "fewer than 40 test examples a class" in found.noise
    assert recipe.estimate == pytest.approx(np.mean([one.estimate for one in adapters]))


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "examples", "order"), [(20, 872, True), (77, 872, False)])
def test_where_it_is_offered_it_covers_and_elsewhere_it_would_not(
    classes: int, examples: int, order: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from macro_f1 import ACCURACIES, BOUNDS, covered

    assert (examples >= FEWEST_A_CLASS * classes) == order
    missed = [
        sum(covered(classes, examples, "unequal shares", accuracy, 250)[:2])
        for accuracy in ACCURACIES
    ]
    share = 1 - float(np.mean(missed))
    assert (BOUNDS[0] <= share <= BOUNDS[1]) == order, share
