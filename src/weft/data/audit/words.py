"""When two texts count as the same, and what counts as a word of theirs."""

from __future__ import annotations

import re
import unicodedata

from weft.data.examples import Examples

SEPARATOR = "\0"
"""Stands between the two texts of a pair; no text that was read holds it."""
_WORD = re.compile(r"\0|\w+(?:['-]\w+)*")


def joined(examples: Examples) -> list[str]:
    """One string an example; the texts of a pair with a separator between them."""
    if examples.pairs is None:
        return list(examples.texts)
    pairs = zip(examples.texts, examples.pairs, strict=True)
    return [f"{first} {SEPARATOR} {second}" for first, second in pairs]


def normalised(text: str) -> str:
    """What is left of a text when case, runs of blanks and Unicode's variants (NFKC) are not told
    apart."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.replace("\u2019", "'").split())


def words(text: str) -> list[str]:
    """Words of a normalised text in their order; punctuation between words is left out.

    A word is a run of letters, digits and underscores, with the apostrophes and hyphens inside it.
    A script without blanks between words gives one long word a phrase. The separator of a pair
    counts as a word, so that no run of words is the same across it by chance.
    """
    return _WORD.findall(text)
