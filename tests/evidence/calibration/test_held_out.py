"""Held-out rows are those of a choice that the example had no part in, and are as good as new."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evidence.calibration.made import calibrated, softmax

from weft.evidence.calibration.held_out import FOLDS, HeldOut, folds_of
from weft.evidence.calibration.judge import log_loss_each
from weft.evidence.calibration.temperature import fit
from weft.randomness import generator_for

EXAMPLES, CANDIDATES = 150, 12


def candidates(name: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (E, V, 2) of models that are equally good, each wrong in its own way."""
    logits, labels = calibrated(EXAMPLES, 2, "held out", name)
    noise = generator_for("candidates", name).normal(0, 1.5, (CANDIDATES, EXAMPLES, 2))
    return softmax((logits + noise).reshape(-1, 2)).reshape(noise.shape), labels


@pytest.mark.parametrize("weighted", [False, True])
def test_each_fold_is_shown_what_the_others_choose(weighted: bool) -> None:
    rows, labels = candidates(0)
    weights = generator_for("weights").uniform(0, 3, EXAMPLES) if weighted else None
    found, fold = HeldOut(), folds_of(labels)
    for own in rows:
        found.see(own, log_loss_each(own, labels), labels, weights)
    assert found.rows is not None
    chosen: set[int] = set()
    for k in range(FOLDS):
        others = fold != k
        counts = None if weights is None else weights[others]
        losses = [
            np.average(log_loss_each(own[others], labels[others]), weights=counts) for own in rows
        ]
        best = int(np.argmin(losses))
        chosen.add(best)
        assert np.array_equal(found.rows[~others], rows[best][~others])
        assert found.losses[k] == pytest.approx(losses[best])
    assert len(chosen) > 1  # so that it matters which


def test_an_examples_own_rows_do_not_choose_what_it_is_shown() -> None:
    """Whatever its fold's losses become, the fold is shown the same candidate."""
    rows, labels = candidates(1)
    own = folds_of(labels) == 2
    kept: list[np.ndarray] = []
    for change in (0.0, 9.0):
        found = HeldOut()
        for place, these in enumerate(rows):
            losses = log_loss_each(these, labels)
            found.see(these, np.where(own, losses - change * place, losses), labels)
        assert found.rows is not None
        kept.append(found.rows)
    assert np.array_equal(kept[0][own], kept[1][own])
    assert not np.array_equal(kept[0][~own], kept[1][~own])


def test_folds_hold_each_class_alike() -> None:
    labels = np.array([0] * 95 + [1] * 5)
    counts = np.bincount(folds_of(labels) * 2 + labels).reshape(FOLDS, 2)
    assert (counts == [19, 1]).all()


def test_one_example_and_one_candidate_are_shown_as_they_are() -> None:
    found = HeldOut()
    found.see(np.array([[0.2, 0.8]]), np.array([0.2]), np.array([1]), np.array([0.0]))
    assert np.array_equal(found.rows, [[0.2, 0.8]])


def test_losses_and_temperature_do_not_gain_by_the_choice() -> None:
    """Twelve epochs that differ by chance alone: the chosen one's loss and temperature are too low
    on the examples that chose it; held out, both are what they are on new examples."""
    gains: dict[str, list[tuple[float, float]]] = {"chosen": [], "held out": []}
    for name in range(300):
        rows, labels = candidates(name)
        found = HeldOut()
        losses = [float(log_loss_each(own, labels).mean()) for own in rows]
        for own in rows:
            found.see(own, log_loss_each(own, labels), labels)
        assert found.rows is not None
        # what any of them is on examples that chose nothing: all are equally good
        new = float(np.mean(losses)), float(np.mean([np.log(fit(o, labels).value) for o in rows]))
        for what, these in (("chosen", rows[int(np.argmin(losses))]), ("held out", found.rows)):
            loss = float(log_loss_each(these, labels).mean()) - new[0]
            gains[what].append((loss, float(np.log(fit(these, labels).value)) - new[1]))
    for which in range(2):
        chosen, held_out = (
            np.array([gain[which] for gain in gains[what]]) for what in ("chosen", "held out")
        )
        error = held_out.std() / len(held_out) ** 0.5
        assert chosen.mean() < -8 * chosen.std() / len(chosen) ** 0.5
        assert abs(held_out.mean()) < 3 * error
