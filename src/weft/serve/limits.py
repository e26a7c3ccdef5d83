"""What a server takes and how long it works on it. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one server; each has an option of `weft serve`."""

    body: int = 1 << 20
    """Bytes of a request's body."""
    texts: int = 128
    """Texts of one request."""
    characters: int = 20_000
    """Characters of one text. What the encoder does not read of it is cut off, as in training."""
    queue: int = 2_048
    """Texts that may wait; a request that finds no room is told to come again."""
    seconds: float = 30.0
    """From a request's arrival to its answer."""
    delay: float = 0.002
    """Seconds that a lone request waits for others to be computed with."""
    tokens: int = 2_048
    """Tokens that are computed at once, but for a single text's own."""
