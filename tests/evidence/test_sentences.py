"""Sentences word for word, and that a verdict never contradicts the figures beside it."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.evidence.compare import Cell, Comparison, compare
from weft.evidence.difference import Difference
from weft.evidence.equivalence import Equivalence
from weft.evidence.interval import CROSSED, EXAMPLES_ONLY
from weft.evidence.sentences import equivalence_sentence, points, sentence, sentences


def comparison(
    estimate: float,
    low: float,
    high: float,
    first: tuple[str, int] = ("lora", 8000),
    second: tuple[str, int] = ("lora", 1000),
) -> Comparison:
    apart = Difference(estimate, 0.01, 0.5, 5, 872, CROSSED)
    seeds = (0, 1, 2, 3, 4)
    return Comparison(
        first, second, seeds, apart, 0.95, low, high, 0.5, 0.99, low, high, adjusted_p=0.5
    )


def corrected(estimate: float, alone: tuple[float, float], low: float, high: float) -> Comparison:
    """One of a family, whose adjusted interval is wider than its own."""
    one = comparison(estimate, *alone)
    return dataclasses.replace(one, adjusted_low=low, adjusted_high=high)


PROBE = ("probe", 8000)
UNKNOWN = "not told apart on these 872 test examples"


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (
            comparison(0.073, 0.051, 0.096),
            "8,000 examples beat 1,000 by 7.3 points (5.1 to 9.6).",
        ),
        (
            comparison(-0.02, -0.03, -0.01),
            "1,000 examples beat 8,000 by 2.0 points (1.0 to 3.0).",
        ),
        (
            comparison(0.003, -0.01, 0.016),
            f"8,000 and 1,000 examples differ by 0.3 points (-1.0 to 1.6): {UNKNOWN}.",
        ),
        (
            comparison(-0.003, -0.016, 0.01),
            f"1,000 and 8,000 examples differ by 0.3 points (-1.0 to 1.6): {UNKNOWN}.",
        ),
        (
            corrected(0.041, (0.002, 0.08), -0.135, 0.218),
            "8,000 and 1,000 examples differ by 4.1 points (-13.5 to 21.8; by itself 0.2 to 8.0): "
            f"{UNKNOWN}.",
        ),
        (
            corrected(-0.041, (-0.08, -0.002), -0.218, 0.135),
            "1,000 and 8,000 examples differ by 4.1 points (-13.5 to 21.8; by itself 0.2 to 8.0): "
            f"{UNKNOWN}.",
        ),
        (
            corrected(0.041, (0.03, 0.052), 0.01, 0.07),
            "8,000 examples beat 1,000 by 4.1 points (1.0 to 7.0).",
        ),
        (
            comparison(0.04, 0.01, 0.07, second=PROBE),
            "LoRA beats the linear probe at 8,000 examples by 4.0 points (1.0 to 7.0).",
        ),
        (
            comparison(-0.04, -0.07, -0.0004, second=PROBE),
            "The linear probe beats LoRA at 8,000 examples by 4.0 points (0.04 to 7.0).",
        ),
        (
            comparison(0.0, -0.01, 0.01, second=("bitfit", 8000)),
            f"LoRA and BitFit differ at 8,000 examples by 0.0 points (-1.0 to 1.0): {UNKNOWN}.",
        ),
        (
            comparison(-0.1, -0.2, -0.05, second=("ia3", 8000)),
            "Ia3 beats LoRA at 8,000 examples by 10.0 points (5.0 to 20.0).",
        ),
    ],
)
def test_word_for_word(given_: Comparison, expected: str) -> None:
    assert sentence(given_, name_method=False) == expected


def test_the_method_introduces_its_sizes() -> None:
    text = sentence(comparison(0.073, 0.051, 0.096, ("probe", 20), ("probe", 10)))
    assert text == "The linear probe: 20 examples beat 10 by 7.3 points (5.1 to 9.6)."


def test_unmeasured_training_noise_is_said() -> None:
    whole = comparison(0.073, 0.051, 0.096)
    apart = dataclasses.replace(whole.difference, seeds=2, noise=EXAMPLES_ONLY)
    text = sentence(dataclasses.replace(whole, difference=apart), name_method=False)
    assert text.endswith("(5.1 to 9.6). Training noise is not measured (2 shared seeds).")


def test_methods_are_named_where_there_are_several() -> None:
    right = np.tile([1.0, 0.0, 1.0, 1.0], (3, 10))
    cells = {("lora", size): Cell((0, 1, 2), right) for size in (10, 20)}
    assert sentences(compare(cells))[0].startswith("20 and 10 examples differ by 0.0 points (-")
    cells[("tfidf", 20)] = cells[("lora", 20)]
    named = sentences(compare(cells))
    assert named[0].startswith("LoRA: 20 and 10")
    assert named[1].startswith("LoRA and TF-IDF differ at 20")


@pytest.mark.parametrize(("p", "verdict"), [(0.01, "shown"), (0.2, "not shown")])
def test_equivalence_word_for_word(p: float, verdict: str) -> None:
    apart = Difference(-0.002, 0.003, 0.5, 5, 872, CROSSED)
    result = Equivalence(apart, 0.01, 0.95, p, -0.0075, 0.0035, 0.0093)
    assert equivalence_sentence(result, 8000) == (
        f"LoRA equals full fine-tuning within 1.0 points at 8,000 examples: {verdict} (difference "
        "-0.2, 90 % interval -0.8 to 0.4). The smallest difference that these 872 test examples "
        "and 5 seeds could rule out is 0.9 points."
    ).replace("-0.8 to 0.4", f"{points(-0.0075)} to {points(0.0035)}")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0"), (-0.0, "0.0"), (-0.004, "-0.4"), (0.0004, "0.04"), (-0.000004, "-0.0004")],
)
def test_a_figure_that_is_not_zero_is_not_printed_as_zero(share: float, text: str) -> None:
    assert points(share) == text


@given(st.floats(-0.5, 0.5), st.floats(1e-5, 0.5), st.floats(1e-5, 0.5))
def test_the_verdict_is_that_of_the_printed_interval(
    estimate: float, below: float, above: float
) -> None:
    text = sentence(comparison(estimate, estimate - below, estimate + above))
    found = re.search(r"\((\S+) to (\S+)\)", text)
    assert found
    low, high = map(float, found.groups())
    if abs(estimate - below) > 1e-6 and abs(estimate + above) > 1e-6:
        assert ("beat" in text) == (low > 0)
    assert low <= high
