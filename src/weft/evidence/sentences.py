"""A sentence for each comparison, whose verdict is that of the interval it prints."""

from __future__ import annotations

from weft.evidence.compare import Comparison, Family
from weft.evidence.equivalence import Equivalence
from weft.evidence.interval import FEWEST_SEEDS

_NAMES = {
    "lora": "LoRA",
    "full": "full fine-tuning",
    "bitfit": "BitFit",
    "probe": "the linear probe",
    "tfidf": "TF-IDF",
}

_MOST_DECIMALS = 4


def sentences(family: Family) -> tuple[str, ...]:
    """One sentence a comparison, in the family's order; methods are named if there are several."""
    methods = {place[0] for entry in family.comparisons for place in (entry.first, entry.second)}
    return tuple(sentence(entry, len(methods) > 1) for entry in family.comparisons)


def sentence(comparison: Comparison, name_method: bool = True) -> str:
    """What a comparison shows, with its adjusted interval; where that does not tell them apart,
    with the interval of this comparison by itself too.

    Args:
        comparison: of two sizes of a method, or of two methods at a size.
        name_method: whether two sizes are introduced by their method's name.
    """
    better, worse = comparison.first, comparison.second
    low, high = comparison.adjusted_low, comparison.adjusted_high
    alone = comparison.low, comparison.high
    if comparison.difference.estimate < 0:
        better, worse, low, high = worse, better, -high, -low
        alone = -alone[1], -alone[0]
    by = f"{points(abs(comparison.difference.estimate))} points"
    interval = f"{points(low)} to {points(high)}"
    if not comparison.told_apart and alone != (low, high):
        # a large family and few seeds make the first so wide that it says nothing of the size
        interval += f"; by itself {points(alone[0])} to {points(alone[1])}"
    interval = f"({interval})"
    unknown = f": not told apart on these {_test_set(comparison.difference.examples)}"
    if better[0] == worse[0]:
        head = f"{name_of(better[0])}: " if name_method else ""
        if comparison.told_apart:
            text = f"{head}{better[1]:,} examples beat {worse[1]:,} by {by} {interval}"
        else:
            text = (
                f"{head}{better[1]:,} and {worse[1]:,} examples differ by {by} {interval}{unknown}"
            )
    else:
        ours, theirs, size = name_of(better[0]), name_of(worse[0]), f"{better[1]:,} examples"
        if comparison.told_apart:
            text = f"{ours} beats {theirs} at {size} by {by} {interval}"
        else:
            text = f"{ours} and {theirs} differ at {size} by {by} {interval}{unknown}"
    return f"{text[0].upper()}{text[1:]}.{_untrained(comparison.difference.seeds)}"


def equivalence_sentence(
    result: Equivalence, size: int, first: str = "lora", second: str = "full"
) -> str:
    """Whether two methods are shown to be equal at a size, and what could have been shown.

    Args:
        result: of the test.
        size: training size in examples.
        first: a method.
        second: the method that it is said to equal.
    """
    verdict = "shown" if result.shown else "not shown"
    claim = f"{name_of(first)} equals {name_of(second)} within {points(result.margin)} points"
    apart = result.difference
    seeds = "1 seed" if apart.seeds == 1 else f"{apart.seeds} seeds"
    text = (
        f"{claim} at {size:,} examples: {verdict} (difference {points(apart.estimate)}, "
        f"{100 * (2 * result.level - 1):.3g} % interval {points(result.low)} to "
        f"{points(result.high)}). The smallest difference that these {_test_set(apart.examples)} "
        f"and {seeds} could rule out is {points(result.smallest)} points."
    )
    return f"{text[0].upper()}{text[1:]}{_untrained(apart.seeds)}"


def points(share: float) -> str:
    """A share in points with one decimal, or as many as it takes not to print 0 for what is not."""
    if share == 0:
        return "0.0"
    texts = (f"{100 * share:.{decimals}f}" for decimals in range(1, _MOST_DECIMALS + 1))
    return next((text for text in texts if float(text) != 0), "0.0")


def name_of(method: str) -> str:
    """A method's name within a sentence; one that is not known goes by its own word."""
    return _NAMES.get(method, method)


def _test_set(examples: int) -> str:
    return f"{examples:,} test examples"


def _untrained(seeds: int) -> str:
    """What to add where the interval covers no training noise."""
    if seeds >= FEWEST_SEEDS:
        return ""
    return f" Training noise is not measured ({seeds} shared seed{'' if seeds == 1 else 's'})."
