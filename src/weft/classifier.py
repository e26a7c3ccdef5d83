"""`weft.Classifier`: one text classifier to train, load and use."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from weft.config import DataSettings, Method
from weft.data.examples import Examples, LabelledText
from weft.data.splits import split
from weft.errors import DataError, StudyError, TrainingError
from weft.export.card import FILE as CARD
from weft.export.card import MODEL_FILES
from weft.study.choice import model_folder
from weft.study.presets import merged, validated

if TYPE_CHECKING:
    from weft.methods.predictor import Predictor


class Classifier:
    """A text classifier in scikit-learn's manner.

    Args:
        method: `lora`, `bitfit`, `full`, `probe` or `tfidf`.
        backbone: `minilm`, a folder or a hub id.
        settings: further settings of a study, e.g. `recipe={"epochs": 3}`.
    """

    def __init__(
        self,
        method: Method = "lora",
        backbone: str = "minilm",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.method, self.backbone, self.settings = method, backbone, settings
        self._folder: Path | None = None
        self._predictor: Predictor | None = None

    @classmethod
    def load(cls, name: str | Path, backbone: str | None = None) -> Self:
        """A classifier from a folder (weft's or PEFT's), `STUDY:best` or `STUDY:RUN`.

        Args:
            name: as above.
            backbone: where the encoder is now, if not where the model says.

        Raises:
            AdapterError: there is no model, or it does not fit the backbone.
        """
        return cls()._open(model_folder(str(name)), backbone)

    @property
    def classes_(self) -> NDArray[np.object_]:
        """The labels, in the order of the columns of `predict_proba`."""
        return np.asarray(self._ready().card.labels, dtype=object)

    def fit(self, texts: Sequence[str], y: Sequence[str] | Sequence[int], seed: int = 0) -> Self:
        """Trains on texts and their labels; min(1,000, 10 %) of them are held out to select.

        Raises:
            DataError: lengths differ, a text is blank, or there is only one label.
        """
        from weft.methods import Materials, make
        from weft.methods.base import Done, Item
        from weft.methods.calibrated import save_calibrated
        from weft.nn.source import find
        from weft.training.events import RunFailed

        data = _labelled(texts, y)
        config = validated(
            merged(
                {"name": "fit", "backbone": {"name": self.backbone}, "methods": [self.method]},
                dict(self.settings or {}),
            )
        )
        splits = split(data, DataSettings(balance="stratified"), None)
        source = None if self.method == "tfidf" else find(config.backbone)
        materials = Materials(config, splits, data.label_names, None, source)
        folder = Path(tempfile.mkdtemp(prefix="weft-"))
        # kept as long as this object; a TemporaryDirectory would warn when it goes
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        for event in make(self.method, materials).run([Item("fit", len(splits.pool), seed)]):
            if isinstance(event, RunFailed):
                raise TrainingError(event.reason, remedy="lower recipe.learning_rate")
            if isinstance(event, Done):
                save_calibrated(event, splits.validation.labels, folder)
        return self._open(folder, None)

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[Any]:
        """The most probable label of each text, (B,)."""
        rows = self.predict_proba(texts, pairs, calibrated=False)
        return self.classes_[rows.argmax(axis=1)]

    def predict_proba(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, calibrated: bool = True
    ) -> NDArray[np.float64]:
        """(B, C) probabilities, columns in the order of `classes_`.

        Args:
            calibrated: at the temperature that was fitted on validation and saved with the model;
                False: as the model gives them.
        """
        return self._ready().probabilities(list(texts), pairs, calibrated=calibrated)

    def score(self, texts: Sequence[str], y: Sequence[str] | Sequence[int]) -> float:
        """Accuracy on texts with known labels, 0 to 1."""
        right = self.predict(texts) == np.asarray([str(label) for label in y])
        return float(np.mean(cast("NDArray[np.bool_]", right)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Copies the model into a folder: adapter in PEFT's format, head, tokenizer, weft.json."""
        self._ready()
        assert self._folder is not None
        if (Path(folder) / CARD).is_file() and not self._folder.samefile(folder):
            for name in MODEL_FILES:  # of the model that lay there, which may be another method's
                (Path(folder) / name).unlink(missing_ok=True)
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)

    def _open(self, folder: Path, backbone: str | None) -> Self:
        from weft.methods.predictor import load_predictor

        self._predictor = load_predictor(folder, backbone)
        self._folder = folder
        card = self._predictor.card
        self.method = card.method
        self.backbone = backbone or (card.backbone.name if card.backbone else self.backbone)
        return self

    def _ready(self) -> Predictor:
        if self._predictor is None:
            raise StudyError("this classifier is not trained yet", remedy="call fit, or weft.load")
        return self._predictor


def load(name: str | Path, backbone: str | None = None) -> Classifier:
    """`Classifier.load` by its short name, `weft.load`."""
    return Classifier.load(name, backbone)


def _labelled(texts: Sequence[str], y: Sequence[str] | Sequence[int]) -> LabelledText:
    texts, y = list(texts), [str(label) for label in y]
    remedy = "give one label a text, no blank text, and at least two different labels"
    if len(texts) != len(y):
        raise DataError(
            "texts and labels differ in number", found=f"{len(texts)}, {len(y)}", remedy=remedy
        )
    given = cast("list[object]", texts)  # a caller may give anything
    blank = [k for k, text in enumerate(given) if not isinstance(text, str) or not text.strip()]
    if blank:
        raise DataError(f"text {blank[0]} is blank or no string", remedy=remedy)
    names = tuple(sorted(set(y)))
    if len(names) < 2:
        raise DataError("there is only one label", found=", ".join(names), remedy=remedy)
    labels = np.asarray([names.index(label) for label in y], dtype=np.int64)
    examples = Examples(tuple(texts), None, labels)
    nothing = examples.take(np.zeros(1, dtype=np.int64))  # fit tests on nothing of its own
    return LabelledText("fit", names, None, examples, None, nothing, "given to fit", {}, ())
