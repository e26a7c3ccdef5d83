"""One export from end to end: written, loaded by others, compared, described."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.config import Precision
from weft.errors import ConfigError
from weft.machine import describe
from weft.nn.backbone import choose_precision
from weft.release import claim as claims
from weft.release import model_card, targets
from weft.release.certificate import (
    FILE,
    FLOAT,
    INT8,
    Certificate,
    Comparison,
    compared,
    hashes,
    keeps,
)
from weft.release.fresh import answer
from weft.release.onnx_graph import require
from weft.release.origin import Texts, claim_of, texts_for
from weft.release.place import check_encoder, check_place, put, room_beside
from weft.release.usage import WITHOUT, Reading, Target, example, usage
from weft.release.whole import Parts, logits_by_weft, parts_of
from weft.report.formats import count


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    model: Path
    """Its folder."""
    target: Target
    out: Path
    title: str
    """Of the card: the model's name, or the repository's on the hub."""
    int8: bool = False
    on_hub: bool = False
    """Whether `title` is a repository that the export is pushed to."""
    backbone: str | None = None
    licence: str | None = None
    texts: Path | None = None
    text: str | None = None
    text_pair: str | None = None


def export(wanted: Wanted) -> Certificate:
    """Writes the export, its certificate and its card, if the certificate passes.

    Until then all is made beside `out`: what is refused or fails leaves what was there.

    Returns:
        The certificate; one that did not pass has no export.

    Raises:
        AdapterError: there is no such model, or it has no such form.
        ConfigError: the folder is the model's or holds something else, or packages are missing.
        DataError: the given texts cannot be used.
        TrainingError: the export cannot be loaded by those it is for.
    """
    if wanted.int8 and wanted.target != "onnx":
        raise ConfigError(
            "--int8 is for ONNX", found=f"--to {wanted.target}", remedy="add --to onnx, or drop it"
        )
    check_place(wanted.out, wanted.model)
    if wanted.target == "onnx":
        require()
    parts = parts_of(wanted.model, wanted.backbone)
    check_encoder(wanted.out, parts.source.folder)
    claim = claim_of(wanted.model)
    texts = texts_for(wanted.model, claim, wanted.texts, wanted.text, wanted.text_pair)
    with room_beside(wanted.out) as beside:
        made = _write(replace(wanted, out=beside), parts, claim, texts)
        if made.passed:
            put(beside, wanted.out)
    return made


def _write(wanted: Wanted, parts: Parts, claim: claims.Claim | None, texts: Texts) -> Certificate:
    targets.write(parts, wanted.target, wanted.out, int8=wanted.int8)
    if claim is not None:
        claim = claim.model_copy(update={"study": None})
        claims.write(wanted.out, claim)
    made = _certify(wanted, parts, texts)
    (wanted.out / FILE).write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    described = model_card.Described(
        title=wanted.title,
        model=parts.card,
        claim=claim,
        licence=wanted.licence,
        certificate=made,
        use=_usage(wanted, parts, here=False),
    )
    model_card.write(wanted.out, described)
    return made


def _certify(wanted: Wanted, parts: Parts, texts: Texts) -> Certificate:
    code = _usage(wanted, parts, here=True)
    theirs = answer(wanted.target, code, parts.card.labels, texts.texts, texts.pairs)
    folded = 1.0 if wanted.target == "peft" else parts.temperature

    def beside(precision: Precision) -> tuple[NDArray[np.float64], Comparison]:
        ours = logits_by_weft(parts, texts.texts, texts.pairs, precision) / folded
        return ours, compared(f"weft in {precision}", theirs.logits, ours)

    ours, first = beside("float32")
    comparisons = [first]
    assert parts.card.backbone is not None
    usual = choose_precision(parts.card.backbone.precision)
    if usual != "float32":
        comparisons.append(beside(usual)[1])
    tolerance = INT8 if wanted.int8 else FLOAT
    largest = float(np.abs(ours).max())
    machine = describe()
    return Certificate(
        passed=keeps(first, tolerance, largest),
        target=wanted.target,
        int8=wanted.int8,
        tolerance=tolerance,
        comparisons=comparisons,
        largest_logit=largest,
        texts=len(texts.texts),
        source=texts.source,
        loaded_by=theirs.versions,
        absent=list(WITHOUT[wanted.target]),
        weft=version("weft"),
        python=platform.python_version(),
        machine=f"{machine['cpu']}, {count(int(machine['cores']), 'core')}",
        date=time.strftime("%Y-%m-%d"),
        temperature=parts.temperature,
        temperature_place="weft.json" if wanted.target == "peft" else "in the head's weights",
        files=hashes(wanted.out, (FILE, model_card.FILE)),
    )


def _usage(wanted: Wanted, parts: Parts, *, here: bool) -> str:
    """The lines of the card; `here`: with this machine's folders."""
    saved = parts.card.backbone
    assert saved is not None
    # no path of this machine stands in a card
    base = json.dumps(model_card.base_of(parts.card) or Path(saved.name).name)
    if here:
        base = json.dumps(str(parts.source.folder))
    elif saved.revision is not None:
        base += f", revision={json.dumps(saved.revision)}"
    # the tokenizer's own file says nothing of padding; what it fills with matters to no logit
    tokenizer = cast("Any", parts.backbone().tokenizer)
    reading = Reading(
        saved.pooling, saved.max_length, str(tokenizer.pad_token), int(tokenizer.pad_token_id)
    )
    hub = wanted.on_hub and not here
    model = (
        wanted.title if hub else str(wanted.out.resolve()) if here else wanted.out.resolve().name
    )
    lines = usage(wanted.target, model, base, parts.card.labels, reading, hub=hub)
    return lines if here else lines + example(wanted.target)
