"""Where a saved model comes from: its study's run, and texts of that study to compare on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weft.config import DataSettings
from weft.data.sources import load
from weft.data.unlabelled import read_texts
from weft.errors import InputError, WeftError
from weft.release.certificate import FEWEST
from weft.release.claim import Claim, of_run, read_claim
from weft.study.choice import LEDGER, MODEL
from weft.study.ground import settings_of
from weft.study.runner import open_data

_MOST = 1_024  # texts of a study's that a certificate stands on: more say little more


@dataclass(frozen=True)
class Texts:
    """What an export is compared on."""

    texts: list[str]
    pairs: list[str] | None
    source: str


def claim_of(folder: Path) -> Claim | None:
    """What may be said of a saved model; None where no study of its is found.

    Raises:
        StudyError: its study cannot be read.
    """
    written = read_claim(folder)
    if written is not None:
        return written
    run = run_of(folder)
    return None if run is None else of_run(*run)


def run_of(folder: Path) -> tuple[Path, str] | None:
    """The study, and the id of its run, that a model's folder lies in or stands beside.

    `weft train` copies the model out of its study: it is known by its weights.
    """
    place = folder.resolve()
    if place.name == MODEL and len(place.parents) > 2 and (place.parents[2] / LEDGER).is_file():
        return place.parents[2], place.parent.name
    beside = place / "study"
    if not (beside / LEDGER).is_file():
        return None
    own = _weights(place)
    runs = sorted((beside / "runs").glob(f"*/{MODEL}"))
    return next(((beside, run.parent.name) for run in runs if _weights(run) == own), None)


def texts_for(
    folder: Path,
    claim: Claim | None,
    given: Path | None,
    column: str | None = None,
    pair_column: str | None = None,
) -> Texts:
    """Texts to compare on, at least so many as a certificate asks for.

    Those given; else of the model's study what selected and what tested, as far as its data are
    still there; filled up with, or in their place, the demo reviews.

    Args:
        folder: of the model.
        claim: which may name its study.
        given: a file of texts; with columns where it is a table.

    Raises:
        DataError: the file cannot be read.
        InputError: it holds too few pairs of texts.
    """
    found = Texts([], None, "")
    if given is not None:
        read = read_texts(given, column, pair_column)
        texts = list(read.firsts())
        pairs = None if read.seconds is None else list(read.seconds())
        found = Texts(texts, pairs, f"{len(texts):,} given")
    else:
        run = run_of(folder)
        study = run[0] if run is not None else None
        if study is None and claim is not None and claim.study is not None:
            study = Path(claim.study)
        if study is not None:
            found = _of_study(study) or found
    if len(found.texts) >= FEWEST:
        return found
    if found.pairs is not None:
        raise InputError(
            "there are too few pairs of texts to compare on",
            found=f"{len(found.texts)}; a certificate stands on at least {FEWEST}",
            remedy="give a table of more with --texts",
        )
    demo = load(DataSettings(source="demo"))
    assert demo.validation is not None
    more = (*demo.validation.texts, *demo.test.texts)[: max(FEWEST - len(found.texts), 0)]
    source = f"{len(more):,} demo reviews"
    if found.source:
        source = f"{found.source}, {source}"
    return Texts([*found.texts, *more], None, source)


def _of_study(study: Path) -> Texts | None:
    """None where its data can no longer be had."""
    try:
        config = settings_of(study)
        if config is None:
            return None
        splits = open_data(config).splits
    except WeftError:
        return None
    parts = (splits.validation, splits.test)
    texts = [text for part in parts for text in part.texts]
    pairs = None
    if splits.test.pairs is not None:
        pairs = [text for part in parts for text in part.pairs or ()][:_MOST]
    source = f"validation and test of {splits.name}"
    return Texts(texts[:_MOST], pairs, source)


def _weights(folder: Path) -> Sequence[tuple[str, str]]:
    """Name and sha256 of each file of weights in a folder."""
    return [
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.glob("*.safetensors"))
    ]
