"""Logistic regression: C is the one that validation prefers, and every class has its row."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from weft.methods.logistic import Fit, Linear, choose

GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


def blobs(classes: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (B, 5) about a centre of their class, and labels (B,), every class among them."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, 5))
    labels = np.arange(count) % classes
    return centres[labels] + random.normal(size=(count, 5)), labels


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_is_scikit_learns_at_the_best_c(classes: int, sparse: bool) -> None:
    (train, y), (held, z) = blobs(classes, 40, 0), blobs(classes, 24, 1)
    theirs: dict[float, np.ndarray] = {}
    for c in GRID:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs[c] = LogisticRegression(C=c, max_iter=300).fit(train, y).predict_proba(held)
    best = min(GRID, key=lambda c: log_loss(z, theirs[c], labels=range(classes)))
    form = csr_matrix if sparse else np.asarray
    fit = choose(form(train), y, form(held), z, classes)
    assert fit.c == best
    assert np.allclose(fit.probabilities(form(held)), theirs[best], atol=1e-6)
    assert fit.parameters == (6 if classes == 2 else 6 * classes)


@pytest.mark.parametrize(("present", "classes"), [((0, 2), 3), ((1, 2), 3), ((0, 1, 3), 5)])
def test_a_class_that_train_lacks_is_as_good_as_never_predicted(
    present: tuple[int, ...], classes: int
) -> None:
    train, y = blobs(classes, 60, 0)
    keep = np.isin(y, present)
    held, z = blobs(classes, 30, 1)
    fit = choose(train[keep], y[keep], held, z, classes)
    rows = fit.probabilities(held)
    assert rows.shape == (30, classes)
    lacking = sorted(set(range(classes)) - set(present))
    assert rows[:, lacking].max() < 1e-3
    assert (rows > 0).all()  # its loss stays finite
    assert set(rows.argmax(1)) <= set(present)


def test_validation_without_a_class_is_judged_all_the_same() -> None:
    train, y = blobs(3, 30, 0)
    held, z = blobs(3, 30, 1)
    fit = choose(train, y, held[z == 1], z[z == 1], 3)
    assert isinstance(fit, Fit)


@given(st.integers(1, 5), st.integers(2, 5), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_probabilities_are_a_softmax_whatever_the_scale(
    rows: int, classes: int, scale: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)) * scale
    linear = Linear(random.normal(size=(classes, 3)), random.normal(size=classes))
    found = linear.probabilities(x)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(axis=1), 1)
    logits = x @ linear.weight.T + linear.bias
    assert (found.argmax(1) == logits.argmax(1)).all()


def test_only_the_cs_asked_for_are_tried() -> None:
    (train, y), (held, z) = blobs(2, 40, 0), blobs(2, 24, 1)
    assert choose(train, y, held, z, 2, grid=(10.0,)).c == 10.0


def test_classes_of_one_example_each_are_no_reason_to_warn() -> None:
    (train, y), (held, z) = blobs(8, 10, 0), blobs(8, 24, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose(train, y, held, z, 8, grid=(1.0,))


@pytest.mark.parametrize(("iterations", "converged"), [(1, False), (300, True)])
def test_a_fit_that_did_not_converge_says_so(
    monkeypatch: pytest.MonkeyPatch, iterations: int, converged: bool
) -> None:
    monkeypatch.setattr("weft.methods.logistic.ITERATIONS", iterations)
    (train, y), (held, z) = blobs(2, 40, 0), blobs(2, 24, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is kept, and not said a hundred times
        fit = choose(train, y, held, z, 2, grid=(1.0,))
    assert fit.converged is converged
    assert fit.facts == {"C": 1.0, "converged": converged}


def test_what_else_is_warned_of_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = LogisticRegression.fit

    def odd(*given: object, **named: object) -> object:
        warnings.warn("something odd", RuntimeWarning, stacklevel=1)
        return fitted(*given, **named)

    monkeypatch.setattr(LogisticRegression, "fit", odd)
    (train, y), (held, z) = blobs(2, 40, 0), blobs(2, 24, 1)
    with pytest.warns(RuntimeWarning, match="something odd"):
        choose(train, y, held, z, 2, grid=(1.0,))


def test_each_fold_is_shown_the_c_that_the_others_choose() -> None:
    from weft.evidence.calibration.held_out import FOLDS, folds_of

    (train, y), (held, z) = blobs(3, 40, 0), blobs(3, 30, 1)
    grid = tuple(np.geomspace(0.01, 10, 16))
    whole, fold = choose(train, y, held, z, 3, grid), folds_of(z)
    assert (whole.held_out != whole.probabilities(held)).any(), "else nothing is tested"
    for own in range(FOLDS):
        others = choose(train, y, held[fold != own], z[fold != own], 3, grid)
        shown = others.probabilities(held[fold == own])
        assert np.allclose(whole.held_out[fold == own], shown, atol=1e-12)
