"""The forecast: known curves are met, the band covers, and it keeps silent where it must."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evidence.ladders import SIZES, ladder, power

from weft.evidence.forecast import Forecast, curve_of, forecast
from weft.evidence.ladder import Ladder, Refusal, ladder_of
from weft.evidence.rule import FROZEN, Rule
from weft.randomness import generator_for


def made(scores: object, at: tuple[int, ...] = (16000, 32000), seed: int = 0) -> Forecast:
    found = forecast(scores, at, 0.9, generator_for("test", seed))  # type: ignore[arg-type]
    assert isinstance(found, Forecast)
    return found


def refused(scores: object, at: tuple[int, ...] = (16000,)) -> str:
    found = forecast(scores, at, 0.9, generator_for("test"))  # type: ignore[arg-type]
    assert isinstance(found, Refusal)
    return found.reason


def test_a_power_law_without_noise_is_continued() -> None:
    found = made(ladder(np.random.default_rng(0), sd=0.0))
    np.testing.assert_allclose(found.mean, power((16000, 32000)), atol=0.004)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()
    assert (found.high - found.low < 0.03).all()


def test_the_band_covers_nine_in_ten_of_smooth_curves() -> None:
    """Means of three new seeds, over curves of several shapes."""
    rng = np.random.default_rng(5)
    inside: list[np.ndarray] = []
    for turn in range(200):
        shape = {"floor": rng.uniform(0.03, 0.2), "rate": rng.uniform(0.25, 0.9)}
        found = made(ladder(rng, sd=0.006, **shape), seed=turn)
        truth = power((16000, 32000), **shape) + 0.006 * rng.standard_normal((3, 2)).mean(0)
        inside.append((found.low <= truth) & (truth <= found.high))
    assert 0.86 <= np.mean(inside) <= 0.99


def test_noise_widens_the_band_and_seeds_narrow_it() -> None:
    def width(seeds: int, sd: float) -> float:
        rng = np.random.default_rng(1)
        bands = [made(ladder(rng, seeds, sd), seed=turn) for turn in range(10)]
        return float(np.mean([one.high - one.low for one in bands]))

    assert width(3, 0.003) < width(3, 0.01)
    assert width(10, 0.01) < width(3, 0.01)


def test_a_wider_level_is_a_wider_band() -> None:
    ladder_ = ladder_of(ladder(np.random.default_rng(2)))
    assert isinstance(ladder_, Ladder)
    curve = curve_of(ladder_, generator_for("test"))
    at = np.array([16000.0, 32000.0])
    (low, high), (lower, higher) = (curve.band(at, level) for level in (0.5, 0.9))
    assert (lower < low).all()
    assert (high < higher).all()


def test_the_forecast_never_falls_with_size_and_stays_a_share() -> None:
    rng = np.random.default_rng(3)
    at = tuple(int(size) for size in np.geomspace(8000, 32000, 12))
    for turn in range(20):
        scores = {size: rng.uniform(0, 1, 3) for size in SIZES}
        found = made(scores, at, turn)
        assert (np.diff(found.mean) >= -1e-12).all()
        assert (found.low <= found.mean).all()
        assert (found.mean <= found.high).all()
        assert found.low.min() >= 0
        assert found.high.max() <= 1


def test_equal_draws_give_an_equal_forecast_and_others_another() -> None:
    scores = ladder(np.random.default_rng(4))
    first, again, other = made(scores), made(scores), made(scores, seed=1)
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()
    np.testing.assert_array_equal(first.mean, other.mean)


def test_whole_seeds_are_drawn() -> None:
    """Where a seed is better at every size, its mean moves the whole curve: a wider band than
    that of the same scores in other company, whose noise cancels along the ladder."""
    offsets = np.array([-0.02, 0.0, 0.02])
    means = power(SIZES)
    together = {size: mean + offsets for size, mean in zip(SIZES, means, strict=True)}
    mixed = {size: np.roll(together[size], place) for place, size in enumerate(SIZES)}
    wide, narrow = made(together), made(mixed)
    np.testing.assert_allclose(wide.mean, narrow.mean)
    assert (wide.high - wide.low > narrow.high - narrow.low)[0]


def test_a_size_may_have_fewer_seeds_and_holes() -> None:
    scores = ladder(np.random.default_rng(6))
    scores[8000] = scores[8000][:1]
    scores[4000][1] = np.nan
    found = made(scores)
    assert np.isfinite(found.low).all()
    assert (found.low < found.high).all()


def test_a_bootstrap_takes_well_under_a_second() -> None:
    import time

    scores = ladder(np.random.default_rng(7), seeds=5)
    began = time.perf_counter()
    made(scores)
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize("shares", ["equal", "fit", "last"])
def test_shares_sum_to_one_and_favour_what_fits(shares: str) -> None:
    rule = Rule(families=("pow3", "wbl4"), shares=shares)  # type: ignore[arg-type]
    found = ladder_of(ladder(np.random.default_rng(8), sd=0.0005, rate=0.2, drop=0.3))
    assert isinstance(found, Ladder)
    curve = curve_of(found, generator_for("test"), rule)
    assert curve.shares.sum() == pytest.approx(1)
    assert (curve.shares >= 0).all()
    if shares == "equal":
        assert curve.shares[0] == 0.5


def test_the_frozen_rule_blurs_only_beyond_the_ladder() -> None:
    found = ladder_of(ladder(np.random.default_rng(9)))
    assert isinstance(found, Ladder)
    curve = curve_of(found, generator_for("test"))
    bare = curve_of(found, generator_for("test"), Rule(per_gain=0, per_doubling=0))
    inside, beyond = np.array([500.0, 8000.0]), np.array([16000.0])
    np.testing.assert_array_equal(curve.band(inside, 0.9), bare.band(inside, 0.9))
    (low, high), (other_low, other_high) = curve.band(beyond, 0.9), bare.band(beyond, 0.9)
    assert high - low > other_high - other_low
    assert FROZEN.per_gain > 0


# Silence


def test_too_few_sizes_are_refused() -> None:
    scores = ladder(np.random.default_rng(0), sizes=(1000, 4000, 16000))
    assert refused(scores) == "A forecast needs 4 training sizes or more; here are 3."
    assert "0" in refused({})


def test_sizes_too_close_are_refused() -> None:
    scores = ladder(np.random.default_rng(0), sizes=(1000, 2000, 3000, 4000))
    assert "at least 8 times" in refused(scores)


@pytest.mark.parametrize("several", [0, 3])
def test_too_few_seeds_are_refused(several: int) -> None:
    scores = ladder(np.random.default_rng(0))
    for size in SIZES[several:]:
        scores[size] = scores[size][:1]
    assert "2 seeds or more at 4 sizes" in refused(scores)


def test_a_size_without_a_score_is_no_size() -> None:
    scores = ladder(np.random.default_rng(0), sizes=(250, 1000, 4000, 16000))
    scores[1000][:] = np.nan
    assert "here are 3" in refused(scores)


def test_nothing_is_forecast_beyond_four_times_the_largest_size() -> None:
    scores = ladder(np.random.default_rng(0))
    assert made(scores, (32000,)).sizes == (32000,)
    reason = refused(scores, (16000, 32001))
    assert "beyond 4 times the largest size" in reason
    assert "32,001" in reason
