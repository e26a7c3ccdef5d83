"""The ranking of likely label errors: planted ones come first."""

from __future__ import annotations

import numpy as np
import pytest

from weft.study.label_errors import ranked


@pytest.mark.parametrize("classes", [2, 5])
def test_planted_errors_are_flagged_and_come_first(classes: int) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, size=400)
    labels = truth.copy()
    wrong = random.choice(400, size=12, replace=False)
    labels[wrong] = (truth[wrong] + 1) % classes
    sure = random.uniform(0.7, 0.99, size=400)
    probabilities = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    probabilities[np.arange(400), truth] = sure
    order, flagged = ranked(labels, probabilities)
    assert sorted(order.tolist()) == list(range(400))
    assert set(order[:12].tolist()) == set(wrong.tolist())
    assert flagged[order[: int(flagged.sum())]].all()
    # how many are flagged is an estimate; here none without cause, and most
    assert set(np.flatnonzero(flagged).tolist()) <= set(wrong.tolist())
    assert flagged.sum() >= 8


def test_a_class_that_the_sample_lacks_is_no_error() -> None:
    probabilities = np.tile([0.6, 0.3, 0.1], (30, 1))
    order, flagged = ranked(np.array([0, 1] * 15), probabilities)
    assert len(order) == len(flagged) == 30
