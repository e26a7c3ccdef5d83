"""How much is measured, for every side alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.data.examples import Examples

BATCH = 32  # per run
CLASSES = 2
RUNS = 6  # of the bank
SEEDS = 3  # of the whole study
SIZES = (1000, 8000, 56000)  # of the published study


@dataclass(frozen=True)
class Pace:
    """How much is measured; the defaults are those of a table that counts."""

    warmup: int = 3  # steps before the clock runs
    steps: int = 20  # that are timed
    cycle: int = 50  # timed steps of length-grouped batches: one run from long to short
    pool: int = 8_000  # examples that training batches are drawn from
    padded_to: int = 512  # tokens, in the notebook's recipe
    texts: int = 20_000  # that are predicted
    learned: int = 4_000  # examples that the predicting adapter was trained on
    epochs: int = 5  # of the whole study


QUICK = Pace(warmup=1, steps=2, cycle=2, pool=256, padded_to=64, texts=256, learned=128, epochs=1)
"""Shows that the program works; its figures mean nothing."""


def part(examples: Examples, count: int, repeat: int) -> Examples:
    """The examples of a repeat: the next `count`, beginning again at the end."""
    return examples.take(np.arange(repeat * count, (repeat + 1) * count) % len(examples))
