"""Ladders of scores made up from a known curve."""

from __future__ import annotations

import numpy as np

SIZES = (250, 500, 1000, 2000, 4000, 8000)


def power(sizes: object, floor: float = 0.1, drop: float = 0.15, rate: float = 0.4) -> np.ndarray:
    """Scores 1 - (floor + drop (n / 250)^-rate) at sizes (M,)."""
    return 1 - floor - drop * (np.asarray(sizes, dtype=float) / 250) ** -rate


def ladder(
    rng: np.random.Generator,
    seeds: int = 3,
    sd: float = 0.005,
    sizes: tuple[int, ...] = SIZES,
    **shape: float,
) -> dict[int, np.ndarray]:
    """Scores by size, (S,) each, normal about the curve."""
    means = power(sizes, **shape)
    return {
        size: np.clip(mean + sd * rng.standard_normal(seeds), 0, 1)
        for size, mean in zip(sizes, means, strict=True)
    }
