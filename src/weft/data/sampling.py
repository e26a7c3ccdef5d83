"""Orders whose every prefix is balanced, or proportional, to within one example per class."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray


def balanced_order(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Permutation of the examples, a round at a time: one of each class that has any left.

    Until the smallest class is used up, the counts of any two classes in a prefix differ by at
    most one; after that the others go on.

    Args:
        labels: (B,) class of each example.
        rng: draws which example stands for its class, and the classes' order within a round.
    """
    shuffled = rng.permutation(len(labels))
    rounds = rank_within_class(labels[shuffled])
    return shuffled[np.lexsort((rng.permutation(len(labels)), rounds))]


def stratified_order(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Permutation of the examples whose prefix of k holds k * n / B of a class, to within one.

    The j-th example of a class with n of B may stand from place floor((j - 1) B / n) + 1 and must
    stand by place ceil(j B / n); earliest deadline first keeps all of these windows
    (G. Steiner and S. Yeomans, Level schedules for mixed-model, just-in-time processes,
    Management Science 39(6), 1993). Ties are drawn among classes of equal size only, so that the
    number of classes in a prefix does not depend on the draw.

    Args:
        labels: (B,) class of each example.
        rng: draws which example stands for its class, and the order of classes of equal size.
    """
    total = len(labels)
    shuffled = rng.permutation(total)
    rank = rank_within_class(labels[shuffled])
    counts = np.bincount(labels)
    sizes = counts[labels[shuffled]]
    tie = rng.permutation(len(counts))[labels[shuffled]]
    release = rank * total // sizes + 1
    deadline = -(-(rank + 1) * total // sizes)
    by_release = np.argsort(release, kind="stable")
    columns = (release, deadline, -sizes, tie, shuffled)
    jobs = list(zip(*(column[by_release].tolist() for column in columns), strict=True))
    ready: list[tuple[int, ...]] = []
    order: list[int] = []
    released = 0
    for place in range(1, total + 1):
        while released < total and jobs[released][0] <= place:
            heapq.heappush(ready, jobs[released][1:])
            released += 1
        order.append(heapq.heappop(ready)[-1])
    return np.array(order, np.int64)


def rank_within_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(B,) how many examples of the same class stand before each one."""
    by_class = np.argsort(labels, kind="stable")
    ordered = labels[by_class]
    starts = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(labels), np.int64)
    rank[by_class] = np.arange(len(labels)) - starts
    return rank
