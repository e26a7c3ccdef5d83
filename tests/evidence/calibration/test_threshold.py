"""The promised precision is held in new data, and the threshold is found where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration import threshold as rule
from weft.evidence.calibration.threshold import for_precision
from weft.evidence.proportion import lower_bound
from weft.randomness import generator_for


def drawn(count: int, part: int, *, power: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores uniform in 0 to 1, right with probability score ** power."""
    rng = generator_for("threshold", count, part)
    scores = rng.random(count)
    return scores, rng.random(count) < scores**power


def precision_above(value: float, power: float) -> float:
    """Mean of score ** power over scores above the value."""
    return (1 - value ** (power + 1)) / ((power + 1) * (1 - value))


@pytest.mark.parametrize(
    ("count", "wanted", "power"),
    [(300, 0.9, 1.0), (300, 0.95, 0.2), (1000, 0.95, 0.2), (1000, 0.8, 0.5), (200, 0.95, 0.02)],
)
def test_the_promise_is_kept(count: int, wanted: float, power: float) -> None:
    """Realised precision, known exactly, is what was wanted in 95 % of data sets or more."""
    replicates = 1500
    kept = found = 0
    for part in range(replicates):
        threshold = for_precision(*drawn(count, part, power=power), wanted)
        found += threshold.value is not None
        kept += threshold.value is None or precision_above(threshold.value, power) >= wanted
    assert kept / replicates >= 0.95
    if count == 1000:
        assert found / replicates > 0.6, "a promise that is never made would be kept too"


def test_each_thresholds_own_bound_would_break_it() -> None:
    """Looking at all thresholds and taking the lowest whose bound holds promises too much."""
    broken = 0
    for part in range(300):
        scores, right = drawn(1000, part, power=0.2)
        order = np.argsort(-scores)
        hits = np.cumsum(right[order])
        passing = [k for k in range(60, 1001, 5) if lower_bound(int(hits[k - 1]), k) >= 0.95]
        value = scores[order][passing[-1] - 1] if passing else 1.0
        broken += bool(passing) and precision_above(float(value), 0.2) < 0.95
    assert broken / 300 > 0.05


def test_the_counts_are_those_of_the_rule() -> None:
    scores, right = drawn(1000, 0, power=0.2)
    found = for_precision(scores, right)
    assert found.value is not None
    assert found.bound is not None
    assert found.bound >= 0.95
    answered = scores >= found.value
    assert (found.answered, found.right) == (answered.sum(), (answered & right).sum())
    assert found.recall == pytest.approx((answered & right).sum() / right.sum())
    assert found.coverage == pytest.approx(answered.mean())
    assert found.examples == 1000


def test_everything_may_be_answered() -> None:
    scores = drawn(500, 1)[0]
    found = for_precision(scores, np.ones(500, dtype=bool))
    assert found.value == scores.min()
    assert (found.coverage, found.recall) == (1.0, 1.0)


def test_equal_scores_are_answered_together() -> None:
    scores = np.repeat([0.9, 0.5], 200)
    right = np.concatenate([np.ones(200), np.arange(200) % 2]).astype(bool)
    found = for_precision(scores, right)
    assert (found.value, found.answered) == (0.9, 200)


def test_one_mistake_at_the_very_top_is_forgiven() -> None:
    scores = np.linspace(1, 0.5, 600)
    right = np.ones(600, dtype=bool)
    right[0] = False
    assert for_precision(scores, right).answered == 600


@pytest.mark.parametrize(
    ("scores", "right", "part"),
    [
        (np.zeros(0), np.zeros(0, dtype=bool), "0 examples cannot prove it"),
        (np.linspace(0, 1, 50), np.ones(50, dtype=bool), "could"),
        (np.linspace(0, 1, 500), np.zeros(500, dtype=bool), "not right often enough"),
        (np.full(500, np.nan), np.ones(500, dtype=bool), "not numbers"),
    ],
)
def test_what_cannot_be_reached_says_why(scores: np.ndarray, right: np.ndarray, part: str) -> None:
    found = for_precision(scores, right)
    assert found.value is None
    assert found.bound is None
    assert found.reason is not None
    assert part in found.reason
    assert (found.answered, found.coverage) == (0, 0.0)


def test_a_class_and_any_answer() -> None:
    logits, labels = calibrated(2000, 3, "classes", spread=4.0)
    rows = softmax(logits)
    one = rule.found(rows, labels, 2, wanted=0.9)
    assert one.value is not None
    said = (rows.argmax(axis=1) == 2) & (rows[:, 2] >= one.value)
    assert np.array_equal(rule.reached(rows, 2, one.value), said)
    assert (one.examples, one.answered) == (2000, said.sum())
    assert one.right == (labels[said] == 2).sum()
    assert one.recall == one.right / (labels == 2).sum()
    every = rule.found(rows, labels, None, wanted=0.9)
    assert every.value is not None
    said = rows.max(axis=1) >= every.value
    assert every.right == (rows.argmax(axis=1) == labels)[said].sum()
    assert np.array_equal(rule.reached(rows, None, every.value), said)


def test_a_low_demand_still_counts_only_answers_of_the_class() -> None:
    """A threshold below one half would let pass texts that are said to be of the other class."""
    logits, labels = calibrated(2000, 2, "classes", spread=4.0)
    rows = softmax(logits)
    low = rule.found(rows, labels, 1, wanted=0.2)
    assert low.value is not None
    assert low.answered == (rows.argmax(axis=1) == 1).sum()
    assert low.value >= 0.5
