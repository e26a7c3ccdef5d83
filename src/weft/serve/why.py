"""Which words carried a label: Shapley values of the words, by Captum.

A word's value is what it adds to the label's probability, averaged over orders in which the words
are put in one after the other (Shapley, 1953; sampled as by Castro, Gomez and Tejada, 2009). The
values add up to the probability with all words less the one with none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from weft.serve.deck import Rows

_ORDERS = 12
_AT_ONCE = 64  # texts of one question to the model
MOST_WORDS = 120
"""Of one text: each costs so many texts more."""


def words_of(text: str) -> list[tuple[int, str]]:
    """Where each word begins, and the word."""
    return [(match.start(), match.group()) for match in re.finditer(r"\S+", text)]


def values(text: str, label: int, ask: Callable[[Sequence[str]], Rows]) -> list[float]:
    """Shapley value of each word, by sampled orders; the same at every call.

    Args:
        label: whose probability is explained.
        ask: probabilities of texts, (B, C); an empty text is one too.
    """
    from captum.attr import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
        ShapleyValueSampling,
    )

    words = [word for _, word in words_of(text)]
    if not words:  # white space alone: nothing carried anything, and Captum takes no empty row
        return []

    def probability(kept: Tensor) -> Tensor:
        """(B, words) of 0 and 1 -> (B,)"""
        texts = [
            " ".join(word for word, here in zip(words, row, strict=True) if here)
            for row in cast("list[list[bool]]", cast("Any", kept.bool()).tolist())
        ]
        return torch.as_tensor(np.asarray(ask(texts)[:, label]))

    # Captum draws from torch's own generator: it is put back, and nothing else here draws from it
    with cast("Any", torch.random).fork_rng(devices=[]):
        cast("Any", torch).manual_seed(0)
        found = cast("Any", ShapleyValueSampling)(probability).attribute(
            torch.ones(1, len(words)),
            n_samples=_ORDERS,
            perturbations_per_eval=_AT_ONCE,
        )
    return [float(value) for value in found[0]]
