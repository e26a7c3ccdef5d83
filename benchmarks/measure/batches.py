"""Texts sorted by length and cut into batches, as a careful user of any library would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predict = Callable[[Sequence[str]], NDArray[np.floating[Any]]]
"""Texts to probabilities, (B, C), in the order of the texts."""


def sorted_batches(
    tokenizer: Any, texts: Sequence[str], size: int
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]]:
    """Batches of `size` texts of like length, padded to their longest, and where they belong."""
    encoded = tokenizer(list(texts), truncation=True, return_token_type_ids=False)["input_ids"]
    lengths = np.array([len(ids) for ids in encoded])
    order = np.argsort(lengths, kind="stable")
    for begin in range(0, len(order), size):
        index = order[begin : begin + size]
        mask = (np.arange(lengths[index].max()) < lengths[index][:, None]).astype(np.int64)
        ids = np.full_like(mask, tokenizer.pad_token_id)
        ids[mask == 1] = np.concatenate([encoded[i] for i in index])
        yield index, {"input_ids": ids, "attention_mask": mask}


def agreement(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Share of the texts that get the labels of plain float32."""
    return float((probabilities.argmax(1) == labels).mean())
