"""Scores of one set of predictions, by scikit-learn's definitions."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as _metrics  # pyright: ignore[reportMissingTypeStubs]  (it ships none)

from weft.errors import TrainingError
from weft.evidence.scores import SMALLEST, Scores

# scikit-learn has no types; everything that comes out of it is cast where it is used.
_sklearn = cast(Any, _metrics)


def score(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], positive: int | None
) -> Scores:
    """Loss, accuracy, F1, precision, recall and the confusion matrix.

    F1, precision and recall are those of the positive class for two classes, and otherwise the
    macro average over the classes that occur among labels or predictions. A ratio of nothing by
    nothing counts as 0.

    Args:
        labels: (B,) true classes, 0 to C - 1, at least one.
        probabilities: (B, C) of each class; rows sum to 1.
        positive: the positive class where C is 2; None: macro averages there too.

    Raises:
        TrainingError: a probability is not a number, so there is nothing to score.
    """
    assert labels.ndim == 1
    assert labels.size > 0, "scores need at least one example"
    assert probabilities.ndim == 2
    assert len(probabilities) == len(labels)
    classes = probabilities.shape[1]
    assert 0 <= labels.min() <= labels.max() < classes, "a label has no column"
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities).all(axis=1)).sum())
        raise TrainingError(
            "The model's predictions are not numbers, so they cannot be scored.",
            found=f"{bad} of {len(labels)} examples with NaN or infinite probabilities",
            remedy="lower the learning rate, or use precision float32",
        )
    predicted = probabilities.argmax(axis=1)  # (B,)
    of_true = probabilities[np.arange(len(labels)), labels]  # (B,)
    binary = classes == 2 and positive is not None
    kind = {"average": "binary", "pos_label": positive} if binary else {"average": "macro"}
    precision, recall, f1, _ = _sklearn.precision_recall_fscore_support(
        labels, predicted, zero_division=0, **kind
    )
    confusion = _sklearn.confusion_matrix(labels, predicted, labels=np.arange(classes))  # (C, C)
    return Scores(
        examples=len(labels),
        loss=float(-np.log(np.clip(of_true, SMALLEST, 1.0)).mean()),
        accuracy=float((predicted == labels).mean()),
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )
