"""The mean of the seeds' probabilities is a model of its own."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.ensemble import average
from weft.evidence.metrics import score
from weft.randomness import generator_for


def test_by_hand() -> None:
    seeds = np.array([[[0.9, 0.1]], [[0.4, 0.6]], [[0.4, 0.6]]])
    assert average(seeds) == pytest.approx(np.array([[1.7 / 3, 1.3 / 3]]))
    scores = score(np.array([0]), average(seeds), positive=1)
    assert scores.accuracy == 1.0, "two of three seeds are wrong, and the ensemble is right"
    assert scores.loss == pytest.approx(-np.log(1.7 / 3))


def test_noise_of_seeds_averages_out() -> None:
    logits, labels = calibrated(3000, 3, "ensemble")
    rng = generator_for("seeds")
    seeds = np.stack([softmax(logits + rng.normal(0, 2, logits.shape)) for _ in range(5)])
    together = score(labels, average(seeds), positive=None)
    alone = [score(labels, own, positive=None) for own in seeds]
    assert together.loss < min(one.loss for one in alone)
    assert together.accuracy > max(one.accuracy for one in alone)
