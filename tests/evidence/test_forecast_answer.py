"""The answer in words: what more labels would buy, and the three outcomes of a target."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evidence.ladders import ladder, power

from weft.evidence.answer import Answer, Needed, OutOfReach, Undecided, answer, sentences
from weft.evidence.ladder import Refusal
from weft.randomness import generator_for

LEVELS_OFF = {"floor": 0.12, "drop": 0.15, "rate": 1.2}
CLIMBS = {"floor": 0.05, "drop": 0.3, "rate": 0.35}


def asked(target: float | None, sd: float = 0.002, **shape: float) -> Answer:
    scores = ladder(np.random.default_rng(1), seeds=5, sd=sd, **shape)
    found = answer(scores, 1000, generator_for("test"), target)
    assert isinstance(found, Answer)
    return found


def test_twice_and_four_times_the_largest_are_forecast_and_nothing_else() -> None:
    found = asked(None, **CLIMBS)
    assert found.forecast.sizes == (16000, 32000)
    assert (found.largest, found.validation, found.outcome) == (8000, 1000, None)
    np.testing.assert_allclose(found.forecast.mean, power((16000, 32000), **CLIMBS), atol=0.01)


def test_labels_needed_are_total_with_their_interval() -> None:
    target = float(power([12000], **CLIMBS)[0])
    outcome = asked(target, **CLIMBS).outcome
    assert isinstance(outcome, Needed)
    assert outcome.low <= outcome.labels <= outcome.high
    assert outcome.low < 13000 < outcome.high
    assert outcome.labels == pytest.approx(13000, rel=0.25)  # 12,000 and the 1,000 that select
    assert outcome.high <= 33000
    assert not outcome.at_most


def test_a_target_met_by_the_smallest_size_needs_at_most_that() -> None:
    said = asked(0.5, **CLIMBS)
    assert said.outcome == Needed(1250, 1250, 1250, at_most=True)
    assert sentences(said)[-1] == "50.0 % needs at most 1,300 labels in all, validation included."


def test_a_target_above_where_the_curve_flattens_is_out_of_reach() -> None:
    outcome = asked(0.97, **LEVELS_OFF).outcome
    assert isinstance(outcome, OutOfReach)
    assert 0.87 < outcome.ceiling < 0.97


def test_a_target_inside_the_band_is_undecided() -> None:
    said = asked(None, sd=0.01, **CLIMBS)
    central, high = float(said.forecast.mean[1]), float(said.forecast.high[1])
    just_met = asked(central - 1e-4, sd=0.01, **CLIMBS).outcome
    assert isinstance(just_met, Undecided)
    assert just_met.why == "band"
    assert just_met.labels == pytest.approx(33000, rel=0.1)
    above = asked((central + high) / 2, sd=0.01, **CLIMBS).outcome
    assert above == Undecided("short", None)


def test_a_target_that_only_more_than_is_forecast_could_meet_is_undecided() -> None:
    said = asked(None, **CLIMBS)
    assert asked(float(said.forecast.high[1]) + 0.005, **CLIMBS).outcome == Undecided(
        "beyond", None
    )


def test_a_higher_target_never_needs_fewer_labels() -> None:
    needed = [
        outcome.labels
        for target in np.linspace(0.6, 0.95, 30)
        if isinstance(outcome := asked(float(target), **CLIMBS).outcome, Needed)
    ]
    assert len(needed) > 5
    assert needed == sorted(needed)


def test_a_ladder_that_bears_none_is_refused_in_words() -> None:
    found = answer({1000: [0.8, 0.9]}, 100, generator_for("test"), 0.9)
    assert isinstance(found, Refusal)
    assert sentences(found) == (
        "No forecast. A forecast needs 4 training sizes or more; here are 1.",
    )


# Words


def test_the_forecast_in_words() -> None:
    said = asked(None, **CLIMBS)
    first, second, gain = sentences(said)
    mean, low, high = (100 * float(x[0]) for x in _of(said))
    assert first == (
        "With 16,000 training examples (17,000 labels with validation) this recipe would score "
        f"about {mean:.1f} % ({low:.1f} to {high:.1f})."
    )
    assert second.startswith("With 32,000 training examples (33,000 labels with validation)")
    now = 100 * said.observed
    assert gain.startswith(
        f"Against the {now:.1f} % observed with 9,000 labels in all, 17,000 would buy "
        f"{mean - now:.1f} points ({low - now:.1f} to {high - now:.1f}) and 33,000 would buy"
    )


@pytest.mark.parametrize(
    ("target", "shape", "parts"),
    [
        (0.97, LEVELS_OFF, ("97.0 % is out of reach", "flattens out")),
        (0.84, CLIMBS, ("84.0 % needs about", "labels in all, validation included (")),
        (0.95, CLIMBS, ("undecided", "nothing is forecast")),
    ],
)
def test_the_outcome_in_words(
    target: float, shape: dict[str, float], parts: tuple[str, ...]
) -> None:
    said = sentences(asked(target, **shape))[-1]
    for part in parts:
        assert part in said


def test_a_loss_has_a_minus_sign_and_nothing_is_minus_zero() -> None:
    said = sentences(asked(None, sd=0.01, floor=0.15, drop=0.0, rate=1.0))[-1]
    assert "\u2212" in said
    assert "-" not in said
    assert "\u22120.0" not in said


def _of(said: Answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return said.forecast.mean, said.forecast.low, said.forecast.high
