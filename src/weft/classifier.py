"""`weft.Classifier`: one text classifier to train, load and use, with scikit-learn's manners."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    BaseEstimator,
    ClassifierMixin,
)
from sklearn.exceptions import (  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    ConvergenceWarning,
    NotFittedError,
)

from weft.config import Method, Pooling, Precision
from weft.data.given import column, texts_of, weights_of
from weft.errors import InputError, StudyError, TrainingError
from weft.export import manners
from weft.export.card import FILE as CARD
from weft.export.card import MODEL_FILES
from weft.study.choice import model_folder
from weft.study.fitting import Ready, configured, prepare, seed_of

if TYPE_CHECKING:
    from weft.methods.predictor import Predictor


class NotTrainedError(StudyError, NotFittedError):
    """A classifier is used before it is trained or loaded; scikit-learn's NotFittedError too."""


@dataclass
class _Model:
    """A trained model: in memory, in a folder, or both."""

    classes: NDArray[Any]  # (C,)
    folder: Path | None = None
    predictor: Predictor | None = None
    write: Callable[[Path], None] | None = None
    """Of one that lies in no folder yet: writes it into an existing one."""


class Classifier(ClassifierMixin, BaseEstimator):
    """A text classifier in scikit-learn's manner.

    Texts and labels are lists, NumPy arrays, or columns of pandas, Polars or Arrow. `classes_` and
    predictions are of the kind of the labels. Parameters that are None are as the method's own
    defaults say (`weft study --show-config` prints them); what a method does not use it ignores.

    Args:
        method: `lora`, `bitfit`, `full`, `probe` or `tfidf`.
        backbone: `minilm`, a folder or a hub id.
        settings: further settings of a study, e.g. `{"recipe": {"max_grad_norm": 0.5}}`; the
            parameters below are laid over them.
        r, lora_alpha, lora_dropout, target_modules: the adapter, by PEFT's names.
        learning_rate: the method's own.
        batch_size, epochs, min_steps, patience, weight_decay: the recipe. Where `epochs` are given
            and `min_steps` is not, as many epochs are trained as were asked for.
        validation_fraction: of the texts, set apart to select the epoch (or the penalty) and to fit
            the temperature; None: min(1,000, 10 %).
        pooling, max_length, precision: how the encoder is read.
        class_weight: `balanced`, or a weight by class; multiplied with `sample_weight`.
        random_state: decides initial weights, the order of the batches and dropout; None: another
            one at each fit.
    """

    _model: _Model | None = None

    def __init__(
        self,
        method: Method = "lora",
        backbone: str = "minilm",
        settings: Mapping[str, Any] | None = None,
        *,
        r: int | None = None,
        lora_alpha: float | None = None,
        lora_dropout: float | None = None,
        target_modules: Sequence[str] | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        min_steps: int | None = None,
        patience: int | None = None,
        weight_decay: float | None = None,
        validation_fraction: float | None = None,
        pooling: Pooling | None = None,
        max_length: int | None = None,
        precision: Precision | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.method, self.backbone, self.settings = method, backbone, settings
        self.r, self.lora_alpha, self.lora_dropout = r, lora_alpha, lora_dropout
        self.target_modules = target_modules
        self.learning_rate, self.batch_size, self.epochs = learning_rate, batch_size, epochs
        self.min_steps, self.patience, self.weight_decay = min_steps, patience, weight_decay
        self.validation_fraction = validation_fraction
        self.pooling, self.max_length, self.precision = pooling, max_length, precision
        self.class_weight, self.random_state = class_weight, random_state

    # ---- training

    def prepare(
        self, texts: object, y: object, sample_weight: object = None, *, seed: int | None = None
    ) -> Ready:
        """What `fit` would train on, and how.

        Raises:
            ConfigError: a parameter cannot be used.
            DataError: texts, labels or weights cannot.
        """
        parameters = self._parameters()
        configured(parameters)  # all that is wrong with them, before a seed is drawn from one
        seed = seed_of(self.random_state) if seed is None else seed
        return prepare(parameters, texts, y, sample_weight, seed)

    def fit(
        self, texts: Any, y: Any, sample_weight: Any = None, *, seed: int | None = None
    ) -> Self:
        """Trains on texts and their labels, some of which are held out to select.

        Args:
            texts: (B,) strings, none blank.
            y: (B,) labels of at least two classes.
            sample_weight: (B,) how much each example counts, scaled to a mean of 1; of 0: as if it
                were not there.
            seed: instead of `random_state`.

        Raises:
            ConfigError: a parameter cannot be used.
            DataError: lengths differ, a text is blank, or there is only one label.
            TrainingError: the loss is no number any more.
        """
        from weft.methods import Materials, make
        from weft.methods.base import Done, Item
        from weft.methods.calibrated import save_calibrated
        from weft.nn.source import find
        from weft.training.events import RunFailed

        ready = self.prepare(texts, y, sample_weight, seed=seed)
        config, splits = ready.config, ready.splits
        source = None if self.method == "tfidf" else find(config.backbone)
        materials = Materials(config, splits, ready.names, None, source)
        folder = self._temporary()
        for event in make(self.method, materials).run([Item("fit", len(splits.pool), ready.seed)]):
            if isinstance(event, RunFailed):
                raise TrainingError(
                    event.reason,
                    remedy="use another method"
                    if self.method == "tfidf"
                    else "lower learning_rate",
                )
            if isinstance(event, Done):
                _warn_unconverged(event.extra)
                save_calibrated(event, splits.validation.labels, folder)
        manners.write(folder, ready.classes, self._parameters())
        self._model = _Model(ready.classes, folder)
        return self

    def adopt(
        self, classes: NDArray[Any], predictor: Predictor, write: Callable[[Path], None]
    ) -> Self:
        """Takes over a model that was trained elsewhere, e.g. beside others in one bank.

        Args:
            classes: (C,) in the order of the predictor's columns.
            write: saves the model, as `fit` does, into an existing folder.
        """
        self._model = _Model(classes, None, predictor, write)
        return self

    # ---- use

    @property
    def classes_(self) -> NDArray[Any]:
        """(C,) the labels, in the order of the columns of `predict_proba`."""
        return self._trained().classes

    def predict(self, texts: Any, pairs: Any = None) -> NDArray[Any]:
        """The most probable label of each text, (B,).

        Args:
            texts: (B,) strings, none blank; no text gives no label.
            pairs: (B,) second texts, of a model trained on pairs.

        Raises:
            InputError: they are no column of texts, or one is blank or missing.
        """
        rows = self.predict_proba(texts, pairs, calibrated=False)
        return self.classes_[rows.argmax(axis=1)]

    def predict_proba(
        self, texts: Any, pairs: Any = None, *, calibrated: bool = True
    ) -> NDArray[np.float64]:
        """(B, C) probabilities, columns in the order of `classes_`.

        Args:
            calibrated: at the temperature that was fitted on validation and saved with the model;
                False: as the model gives them.
        """
        predictor = self._ready()
        first = texts_of(texts)
        second = None if pairs is None else texts_of(pairs, "pair")
        if second is not None and len(second) != len(first):
            raise InputError(
                "texts and pairs differ in number",
                found=f"{len(first)}, {len(second)}",
                remedy="give one second text a text, in the same order",
            )
        return predictor.probabilities(first, second, calibrated=calibrated)

    def score(  # pyright: ignore[reportIncompatibleMethodOverride]  (its X are texts here)
        self, texts: Any, y: Any, sample_weight: Any = None
    ) -> float:
        """Accuracy on texts with known labels, 0 to 1; with weights (B,) their weighted mean.

        Raises:
            InputError: not one label or weight a text.
        """
        predicted = self.predict(texts)
        labels = column(y, "label")
        weights = weights_of(sample_weight, len(predicted))
        if len(labels) != len(predicted):
            raise InputError(
                "texts and labels differ in number",
                found=f"{len(predicted)}, {len(labels)}",
                remedy="give one label a text, in the same order",
            )
        if self.classes_.dtype == object:  # of strings, which a saved model's labels may have been
            labels = [str(label) for label in labels]
        right = [a == b for a, b in zip(predicted.tolist(), labels, strict=True)]
        return float(np.average(right, weights=weights))

    # ---- keeping

    @classmethod
    def load(cls, name: str | Path, backbone: str | None = None) -> Self:
        """A classifier from a folder (weft's or PEFT's), `STUDY:best` or `STUDY:RUN`.

        Args:
            name: as above.
            backbone: where the encoder is now, if not where the model says.

        Raises:
            AdapterError: there is no model, or it does not fit the backbone.
        """
        from weft.methods.predictor import load_predictor

        folder = model_folder(str(name))
        predictor = load_predictor(folder, backbone)
        saved, said = predictor.card, manners.read(folder)
        classes = said.classes(saved.labels)
        given = dict(said.parameters)
        if said.class_weight is not None:
            given["class_weight"] = dict(said.class_weight)
        known = cls()._parameters()
        made = cls(**{key: value for key, value in given.items() if key in known})
        made.method = saved.method
        made.backbone = backbone or (saved.backbone.name if saved.backbone else made.backbone)
        made._model = _Model(classes, folder, predictor)
        return made

    def save_pretrained(self, folder: str | Path) -> None:
        """Copies the model into a folder: adapter in PEFT's format, head, tokenizer, weft.json."""
        own = self._at_rest()
        if (Path(folder) / CARD).is_file() and not own.samefile(folder):
            for name in MODEL_FILES:  # of the model that lay there, which may be another method's
                (Path(folder) / name).unlink(missing_ok=True)
        shutil.copytree(own, folder, dirs_exist_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and, of a trained one, the bytes of the files it is saved as."""
        kept = {name: value for name, value in vars(self).items() if name != "_model"}
        if self._model is not None:
            files = [path for path in sorted(self._at_rest().iterdir()) if path.is_file()]
            kept["_classes"] = self._model.classes
            kept["_files"] = {path.name: path.read_bytes() for path in files}
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The model is loaded when it is first asked for, its files lying in a folder again."""
        state = dict(state)
        files = cast("dict[str, bytes] | None", state.pop("_files", None))
        classes = state.pop("_classes", None)
        vars(self).update(state)
        if files is not None:
            folder = self._temporary()
            for name, data in files.items():
                (folder / Path(name).name).write_bytes(data)
            self._model = _Model(classes, folder)

    # ---- scikit-learn's questions

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None

    def __sklearn_tags__(self) -> Any:
        tags = cast("Any", super()).__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def _parameters(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.get_params(deep=False))

    def _temporary(self) -> Path:
        """A folder that is kept as long as this object; a TemporaryDirectory would warn when it
        goes."""
        folder = Path(tempfile.mkdtemp(prefix="weft-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _trained(self) -> _Model:
        if self._model is None:
            raise NotTrainedError(
                "this classifier is not trained yet", remedy="call fit, or weft.load a saved one"
            )
        return self._model

    def _at_rest(self) -> Path:
        """The folder of the model, which is written now if it lies in none yet."""
        model = self._trained()
        if model.folder is None:
            assert model.write is not None
            folder = self._temporary()
            model.write(folder)
            manners.write(folder, model.classes, self._parameters())
            model.folder = folder
        return model.folder

    def _ready(self) -> Predictor:
        model = self._trained()
        if model.predictor is None:
            from weft.methods.predictor import load_predictor

            model.predictor = load_predictor(self._at_rest())
        return model.predictor


def _warn_unconverged(extra: Mapping[str, Any]) -> None:
    if extra.get("converged") is False:
        warnings.warn(
            f"the logistic regression did not converge at C={extra['C']:g}, which validation chose",
            ConvergenceWarning,
            stacklevel=3,
        )


def load(name: str | Path, backbone: str | None = None) -> Classifier:
    """`Classifier.load` by its short name, `weft.load`."""
    return Classifier.load(name, backbone)
