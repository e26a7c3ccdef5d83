"""Confusion matrices as numbers: counts, shares, the order to read them in, the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.report.rows import StudyView, done, section

FEW = 12
"""Classes up to which a whole matrix can be read; of more, the order brings what is confused
together."""
TOP = 15
"""Confusions that are listed."""


@dataclass(frozen=True)
class Confusion:
    """Examples of one class taken for another."""

    true: int
    answer: int
    count: int  # summed over seeds
    share: float  # of the true class


@dataclass(frozen=True, eq=False)
class Matrix:
    """A method's test predictions at one size, summed over its seeds."""

    method: str
    size: int
    seeds: int
    names: tuple[str, ...]
    counts: NDArray[np.int64]  # (C, C) rows: true
    order: tuple[int, ...]
    """Classes as they are to be shown."""

    @property
    def shares(self) -> NDArray[np.float64]:
        """(C, C) of the true class, 0 to 1; 0 for a class without examples."""
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)

    @property
    def top(self) -> list[Confusion]:
        """The most frequent confusions, most first."""
        off = self.counts.copy()
        np.fill_diagonal(off, 0)
        places = np.argsort(-off, axis=None, kind="stable")[:TOP].tolist()
        pairs = [divmod(place, len(self.names)) for place in places]
        shares = self.shares
        return [Confusion(t, a, int(off[t, a]), float(shares[t, a])) for t, a in pairs if off[t, a]]

    def of_class(self, k: int) -> tuple[int, float | None, float | None, Confusion | None]:
        """Examples, recall, precision, and what it is most often taken for; None where nothing."""
        row, column = self.counts[k], self.counts[:, k]
        recall = float(row[k] / row.sum()) if row.sum() else None
        precision = float(row[k] / column.sum()) if column.sum() else None
        others = row.copy()
        others[k] = 0
        worst = int(others.argmax())
        taken = Confusion(k, worst, int(others[worst]), float(self.shares[k, worst]))
        return int(row.sum()), recall, precision, taken if taken.count else None


def matrices(view: StudyView, method: str | None) -> tuple[Matrix, ...]:
    """One a size of a method that has finished runs with scores."""
    groups: dict[int, list[Any]] = {}
    for row in done(view.runs):
        if row["method"] == method and row["test_confusion"] is not None:
            groups.setdefault(int(row["size"]), []).append(row["test_confusion"])
    known = tuple(str(name) for name in section(view.facts, "data").get("label_names", []))
    found: list[Matrix] = []
    for size in sorted(groups):
        counts = np.sum([np.asarray(own, np.int64) for own in groups[size]], axis=0)
        classes = len(counts)
        names = known if len(known) == classes else tuple(map(str, range(classes)))
        order = tuple(range(classes)) if classes <= FEW else _together(counts)
        found.append(Matrix(cast(str, method), size, len(groups[size]), names, counts, order))
    return tuple(found)


def _together(counts: NDArray[np.int64]) -> tuple[int, ...]:
    """An order in which classes that are confused stand beside each other.

    The leaves of a hierarchical clustering by how often two classes are taken for each other,
    turned so that neighbours are alike (Z. Bar-Joseph, D. Gifford and T. Jaakkola, Fast optimal
    leaf ordering for hierarchical clustering, 2001).
    """
    from scipy.cluster import hierarchy  # pyright: ignore[reportMissingTypeStubs]
    from scipy.spatial.distance import squareform  # pyright: ignore[reportMissingTypeStubs]

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    near = shares + shares.T
    distance = 1 / (1 + 100 * near)
    np.fill_diagonal(distance, 0)
    flat = cast(Any, squareform)(distance, checks=False)
    tree = cast(Any, hierarchy).linkage(flat, method="average", optimal_ordering=True)
    return tuple(int(leaf) for leaf in cast(Any, hierarchy).leaves_list(tree))
