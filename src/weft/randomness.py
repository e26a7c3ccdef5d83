"""Seeds derived from words, so that nothing depends on a global generator or on call order."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(*parts: str | int) -> int:
    """A 63-bit seed fixed by its parts, e.g. `seed_for("order", 3)`; equal on every machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(*parts: str | int) -> np.random.Generator:
    """A NumPy generator of its own for these parts."""
    return np.random.Generator(np.random.PCG64(seed_for(*parts)))
