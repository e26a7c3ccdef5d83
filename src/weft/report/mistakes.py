"""Test examples worth reading: sure mistakes, those on which sizes disagree, doubtful labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from weft.report.calibration import Best
from weft.report.readings import Readings
from weft.report.rows import StudyView, done
from weft.study.label_errors import ranked

if TYPE_CHECKING:
    from weft.study.reread import Seen

Kind = Literal["wrong", "sizes", "label"]
MOST = 60
"""Examples of each kind that are listed; those of several kinds stand once."""
_LONGEST = 2000  # letters of a text that are kept


@dataclass(frozen=True)
class Example:
    """One test example."""

    index: int  # place in test, from 0
    text: str | None  # None where texts are not shown
    more: int  # letters that were cut off
    label: str
    answer: str  # of the best run
    sure: float  # its probability of that, calibrated
    by_size: tuple[tuple[str, float], ...]
    """Of each size's seeds together: the answer, and the probability of the label."""
    kinds: tuple[Kind, ...]


@dataclass(frozen=True)
class Mistakes:
    """What the best run's method makes of test, example by example."""

    name: str  # of the method, with its settings
    sizes: tuple[int, ...]
    examples: tuple[Example, ...]
    """The surest mistakes first."""
    tested: int
    counts: dict[Kind, int]
    """How many there are of each kind, listed or not."""
    missing: str
    """Why there are no texts; empty where there are."""
    wanted: bool
    """Whether examples may be shown at all."""


def mistakes(view: StudyView, runs: Readings, best: Best | None, seen: Seen | None) -> Mistakes:
    """Looks through the test predictions of the best run's method, and its settings, at all sizes.

    `wrong`: the best run errs, the surest first. `sizes`: sizes answer differently, the larger the
    spread of their probability of the label the earlier. `label`: cleanlab counts the label as
    in doubt, by the seeds of the best cell together, which were not trained on it.

    Args:
        view: the study.
        runs: its predictions.
        best: the run that validation chose; None: there is nothing to say.
        seen: the data, where they were read again.
    """
    wanted = seen is None or seen.wanted
    if best is None:
        return Mistakes("", (), (), 0, {}, "", wanted)
    test = best.run.test
    names, labels = test.label_names, test.labels
    own = best.run.at(test)
    sizes = _by_size(view, runs, best)
    answers = np.stack([rows.argmax(axis=1) for rows in sizes.values()])  # (sizes, B)
    place = np.arange(len(labels))
    of_label = np.stack([rows[place, labels] for rows in sizes.values()])
    wrong = own.argmax(axis=1) != labels
    differ = (answers != answers[0]).any(axis=0)
    every = best.ensemble or best.run
    order, flagged = ranked(labels, every.at(every.test))
    spread = of_label.max(axis=0) - of_label.min(axis=0)
    sure = own.max(axis=1)
    lists: dict[Kind, NDArray[np.int64]] = {
        "wrong": _first(sure, wrong),
        "sizes": _first(spread, differ),
        "label": order[: int(flagged.sum())][:MOST],
    }
    listed = sorted({int(k) for own in lists.values() for k in own}, key=lambda k: _rank(k, lists))
    texts, missing = _texts(seen, len(labels))
    examples = tuple(
        Example(
            index=k,
            text=None if texts is None else texts[k][:_LONGEST],
            more=0 if texts is None else max(0, len(texts[k]) - _LONGEST),
            label=names[int(labels[k])],
            answer=names[int(own[k].argmax())],
            sure=float(sure[k]),
            by_size=tuple(
                (names[int(said)], float(p))
                for said, p in zip(answers[:, k], of_label[:, k], strict=True)
            ),
            kinds=tuple(kind for kind, places in lists.items() if k in places),
        )
        for k in (listed if wanted else ())
    )
    counts: dict[Kind, int] = {
        "wrong": int(wrong.sum()),
        "sizes": int(differ.sum()),
        "label": int(flagged.sum()),
    }
    return Mistakes(best.key.name, tuple(sizes), examples, len(labels), counts, missing, wanted)


def _by_size(view: StudyView, runs: Readings, best: Best) -> dict[int, NDArray[np.float64]]:
    """By size, (B, C) the mean of the seeds' calibrated probabilities, on the same examples."""
    found: dict[int, list[NDArray[np.float64]]] = {}
    for row in done(view.runs):
        run = runs.get(row["run_id"])
        if run is None or (row["method"], row["variant"]) != (best.key.method, best.key.variant):
            continue
        if np.array_equal(run.test.labels, best.run.test.labels):
            found.setdefault(int(row["size"]), []).append(run.at(run.test))
    return {size: np.mean(found[size], axis=0) for size in sorted(found)}


def _first(value: NDArray[np.float64], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places of those that count, the largest value first, no more than are listed."""
    places = np.flatnonzero(which)
    return places[np.argsort(-value[places], kind="stable")][:MOST]


def _rank(k: int, lists: dict[Kind, NDArray[np.int64]]) -> tuple[int, int]:
    """Where an example stands: in the first list that holds it, at its place there."""
    for number, places in enumerate(lists.values()):
        at = np.flatnonzero(places == k)
        if len(at):
            return number, int(at[0])
    raise AssertionError("it is listed because a list holds it")


def _texts(seen: Seen | None, tested: int) -> tuple[tuple[str, ...] | None, str]:
    if seen is None:
        return None, "The data were not read again."
    if seen.texts is None:
        return None, seen.missing
    if len(seen.texts) != tested:
        return None, "The data's test split is no longer that of the predictions."
    return seen.texts, ""
