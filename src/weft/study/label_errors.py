"""Likely label errors: the examples whose label a model that has not seen them believes least.

The ranking is cleanlab's (C. Northcutt, L. Jiang and I. Chuang, Confident learning: estimating
uncertainty in dataset labels, 2021): by the out-of-sample probability of the given label; and how
many are flagged follows from how often the classes are confused.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.config import StudyConfig
from weft.data.audit.corpus import Row
from weft.data.examples import Examples, LabelledText
from weft.data.splits import Splits
from weft.errors import StudyError
from weft.study.ledger_file import make_folder
from weft.study.lock import held
from weft.study.notices import Working
from weft.study.runner import typed_command
from weft.study.stopping import Stop

if TYPE_CHECKING:
    from weft.methods.out_of_sample import Folded

FOLDS = 5
SIZE = 8000
"""Examples looked at, unless told otherwise: minutes of training on a small machine."""


@dataclass(frozen=True)
class Suspect:
    """An example whose label is likely wrong."""

    row: Row
    likelier: str
    """The label that the models think most probable."""
    given_probability: float  # out of sample, of the label it bears
    likelier_probability: float
    flagged: bool
    """Among those that cleanlab counts as errors, not only low in the ranking."""


@dataclass(frozen=True)
class LabelErrors:
    """What K-fold says of the labels of train."""

    method: str
    folds: int
    pool: int  # train examples there are
    examined: int  # of them, drawn as a training set of that size is
    accuracy: float  # out of sample, against the labels as they are
    flagged: int
    suspects: tuple[Suspect, ...]
    """All flagged ones and as many as `ranked` keeps besides, the likeliest error first."""

    def as_json(self) -> dict[str, Any]:
        """The same in plain lists and dicts."""
        return asdict(self)


def find_label_errors(
    config: StudyConfig,
    data: LabelledText,
    splits: Splits,
    method: Folded = "lora",
    size: int = SIZE,
    folds: int = FOLDS,
    watch: Callable[[object], None] = lambda _: None,
    place: Path | None = None,
) -> LabelErrors:
    """Looks for wrong labels in train, by K-fold with all folds in one bank.

    Validation examples select and are not looked at themselves.

    Args:
        size: train examples at most: the first of seed 0's order, as a training set of that size.
        watch: told of the training events.
        place: where adapters leave a folder from which the same search goes on when it was
            stopped; it is gone when the search is through. None: it begins anew.

    Raises:
        StudyError: another process is at the same search.
        KeyboardInterrupt: the user asked to stop.
        TrainingError: a fold could not be trained.
        BackboneError: the encoder cannot be found or loaded.
    """
    sample = splits.train(min(size, len(splits.pool)), seed=0)
    folds = min(folds, len(sample))
    found = fold_probabilities(config, data, splits, sample, method, folds, watch, place)
    order, flagged = ranked(sample.labels, found)
    listed = order[: max(int(flagged.sum()), min(20, len(order)))]
    return LabelErrors(
        method=method,
        folds=folds,
        pool=len(splits.pool),
        examined=len(sample),
        accuracy=float((found.argmax(axis=1) == sample.labels).mean()),
        flagged=int(flagged.sum()),
        suspects=tuple(_suspect(data, sample, found, flagged, place) for place in listed.tolist()),
    )


def fold_probabilities(
    config: StudyConfig,
    data: LabelledText,
    splits: Splits,
    sample: Examples,
    method: Folded,
    folds: int,
    watch: Callable[[object], None] = lambda _: None,
    place: Path | None = None,
) -> NDArray[np.float64]:
    """(B, C) out-of-sample probabilities of a sample of train; `splits` has what selects.

    The rest as `find_label_errors` takes it.
    """
    from weft.methods.base import Materials
    from weft.methods.out_of_sample import out_of_sample
    from weft.nn.backbone import choose_precision
    from weft.nn.source import find

    source = find(config.backbone)
    precision = choose_precision(config.backbone.precision, config.bank.device)
    backbone = config.backbone.model_copy(update={"precision": precision})
    config = config.model_copy(update={"backbone": backbone})
    # nothing is tested: a bank's judges want one example at least
    one = splits.validation.take(np.zeros(1, np.int64))
    part = replace(splits, pool=sample, test=one)
    materials = Materials(config, part, data.label_names, data.positive, source)
    if place is None or method != "lora":
        return out_of_sample(method, materials, folds, watch)
    from weft.training.kept import Kept

    encoder = [source.sha256, source.hashes]
    what = [config.model_dump(mode="json"), data.hashes, encoder, len(sample), folds]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    folder = place / f"check-{digest[:12]}"
    try:
        make_folder(folder)
    except StudyError:  # a place that takes nothing: stopped, it begins anew
        return out_of_sample(method, materials, folds, watch)
    with held(folder, typed_command()):
        with Stop() as stop:
            kept = Kept(folder, lambda: stop.asked, lambda line: watch(Working(line)))
            found = out_of_sample(method, materials, folds, watch, kept)
        kept.clear()
    with suppress(OSError):  # where they hold nothing else
        for empty in (folder, place, place.parent):
            empty.rmdir()
    return found


def ranked(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places by how likely the label is wrong, the likeliest first; and (B,) which are flagged.

    Flagged ones come first in the order; within both parts the least probable label does.

    Args:
        labels: (B,) as given.
        probabilities: (B, C) out of sample.
    """
    from cleanlab.filter import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
        find_label_issues,  # pyright: ignore[reportUnknownVariableType]
    )
    from cleanlab.rank import (  # pyright: ignore[reportMissingTypeStubs]
        get_label_quality_scores,
    )

    with warnings.catch_warnings():
        # a class with few examples, or none, in a sample: nothing is flagged there
        warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
        issues = cast(Any, find_label_issues)(labels, probabilities, n_jobs=1)
    quality = cast(Any, get_label_quality_scores)(labels, probabilities, method="self_confidence")
    flagged = np.asarray(issues, np.bool_)
    return np.lexsort((np.asarray(quality), ~flagged)), flagged


def _suspect(
    data: LabelledText,
    sample: Examples,
    probabilities: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    place: int,
) -> Suspect:
    given, top = int(sample.labels[place]), int(probabilities[place].argmax())
    return Suspect(
        row=Row.of(sample, "train", place, data.label_names),
        likelier=data.label_names[top],
        given_probability=float(probabilities[place, given]),
        likelier_probability=float(probabilities[place, top]),
        flagged=bool(flagged[place]),
    )
