"""`README.md` of a model: the hub's metadata block, use, scores, certificate, hashes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.export.card import ModelCard
from weft.release.certificate import Certificate, sentence
from weft.release.claim import Claim
from weft.release.usage import CODE, LIBRARIES

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

FILE = "README.md"
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_DATA = {"sst2": "nyu-mll/glue"}
_LICENCES = {MINILM: "apache-2.0"}
"""Of encoders whose licence weft knows."""
_RELATION = {"peft": "adapter", "merged": "finetune", "onnx": "quantized"}


@dataclass(frozen=True)
class Described:
    """All that a card says."""

    title: str
    model: ModelCard
    claim: Claim | None
    licence: str | None
    """As the user named it; None: the encoder's, where weft knows that."""
    certificate: Certificate | None = None
    use: str = ""
    """Python; empty: weft's own."""


def write(folder: Path, own: Described) -> None:
    """Writes `README.md` into the folder."""
    text = f"---\n{_metadata(own)}\n---\n\n{_page(own)}"
    (folder / FILE).write_text(text, encoding="utf-8")


def base_of(model: ModelCard) -> str | None:
    """The encoder's name on the hub; None: it is known by its hash alone."""
    if model.backbone is None:
        return None
    if model.backbone.name == "minilm":
        return MINILM
    # of those that were local there is no revision
    return None if model.backbone.revision is None else model.backbone.name


def licence_of(own: Described) -> str | None:
    """As the user named it, else the encoder's; None: unknown."""
    return own.licence or _LICENCES.get(base_of(own.model) or "")


def _metadata(own: Described) -> str:
    from huggingface_hub import ModelCardData

    made, model, claim = own.certificate, own.model, own.claim
    base, data = base_of(model), None if claim is None else _hub_data(claim.source)
    more: dict[str, Any] = {}
    if base is not None and made is not None:
        relation = "quantized" if made.int8 else _RELATION[made.target].replace("quantized", "")
        more = {"base_model_relation": relation or "finetune"}
    results = None if claim is None else _results(claim, data)
    card: Any = ModelCardData(
        base_model=base,
        datasets=None if data is None else [data],
        eval_results=results or None,
        library_name="weft" if made is None else _library(made),
        license=licence_of(own),
        metrics=[one.metric for one in claim.scores if one.metric != "loss"] if claim else None,
        model_name=own.title if results else None,
        pipeline_tag="text-classification",
        tags=["weft", model.method],
        **more,
    )
    return str(card.to_yaml())


def _library(made: Certificate) -> str:
    return "onnx" if made.target == "onnx" else LIBRARIES[made.target][0]


def _results(claim: Claim, hub_data: str | None) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="text-classification",
            dataset_type=hub_data or claim.data,
            dataset_name=claim.data,
            dataset_split="test",
            metric_type=one.metric,
            metric_name=one.metric,
            metric_value=round(one.value, 6),
            metric_args=None
            if one.low is None or one.high is None
            else {"interval_95": [round(one.low, 6), round(one.high, 6)]},
        )
        for one in claim.scores
    ]


def _hub_data(source: str) -> str | None:
    """The data set's name on the hub, where it came from there."""
    named = "/".join(source.split("/")[:2])
    if source in _HUB_DATA:
        return _HUB_DATA[source]
    return named if _HUB_NAME.fullmatch(named) and not Path(source).exists() else None


def _page(own: Described) -> str:
    model = own.model
    parts = [f"# {own.title}", _what(model)]
    if own.use:
        parts += ["## Use", f"```python\n{own.use.strip()}\n```", _reading(own)]
    else:
        parts += ["## Use", '```python\nimport weft\n\nmodel = weft.load("FOLDER")\n```']
    parts += ["## How good it is", *_score(own.claim)]
    if own.certificate is not None:
        parts += ["## Certificate", *_certificate(own.certificate)]
    parts += ["## Where it comes from", _origin(own)]
    return "\n\n".join(parts) + "\n"


def _what(model: ModelCard) -> str:
    names = ", ".join(f"`{name}`" for name in model.labels)
    return f"Text classifier ({model.method}), {len(model.labels)} labels, in this order: {names}."


def _reading(own: Described) -> str:
    made = own.certificate
    assert made is not None
    own_code = ""
    if "trust_remote_code" in own.use:
        own_code = (
            f" transformers has no classifier on the mean of tokens, so `{CODE}` in "
            "this folder is run; read it first: it is one page."
        )
    if own.model.calibration is None:
        return f"No temperature was fitted: probabilities are `softmax(logits)`.{own_code}"
    if made.temperature_place == "weft.json":
        return (
            f"Calibrated probabilities are `softmax(logits / {made.temperature:.6g})`: that "
            "temperature was fitted on validation and stands in `weft.json`, as do the labels."
        )
    return (
        f"The temperature fitted on validation ({made.temperature:.6g}) is in the head's weights: "
        f"the softmax of the logits is calibrated.{own_code}"
    )


def _score(claim: Claim | None) -> list[str]:
    if claim is None:
        return ["Not known here: the study that measured it was not found."]
    said = [" ".join(claim.sentences)]
    if claim.scores:
        rows = ["| score on test | value | 95 % interval |", "|:---|---:|:---|"]
        for one in claim.scores:
            offered = one.low is not None and one.high is not None
            ends = f"{one.low:.4f} to {one.high:.4f}" if offered else "none"
            rows.append(f"| {one.metric} | {one.value:.4f} | {ends} |")
        said.append("\n".join(rows))
    return said


def _certificate(made: Certificate) -> list[str]:
    libraries = ", ".join(f"{name} {version}" for name, version in made.loaded_by.items())
    rows = ["| beside | largest logit difference | mean | labels that agree |"]
    rows.append("|:---|---:|---:|---:|")
    rows += [
        f"| {one.beside} | {one.largest_logit_difference:.2e} | {one.mean_logit_difference:.2e} "
        f"| {one.label_agreement:.2%} |"
        for one in made.comparisons
    ]
    said = sentence(made)
    return [
        (
            f"{said[0].upper()}{said[1:]}. This folder was loaded in a fresh process by "
            f"{libraries} ({_list(made.absent)} could not be imported there), by the lines above. "
            f"Texts: {made.source}. {made.date}, weft {made.weft}, Python {made.python}, "
            f"{made.machine}. The same as JSON: `certificate.json`."
        ),
        "\n".join(rows),
    ]


def _origin(own: Described) -> str:
    lines: list[str] = []
    backbone = own.model.backbone
    if backbone is not None:
        name = base_of(own.model) or f"a local folder, {Path(backbone.name).name}"
        at = f" at revision {backbone.revision}" if backbone.revision else ""
        lines.append(
            f"- encoder: {name}{at}, {backbone.pooling} pooling, texts cut to "
            f"{backbone.max_length} tokens, sha256 of its weights `{backbone.sha256}`"
        )
    if own.claim is not None:
        lines.append(f"- data: {own.claim.data}")
        lines += [f"  - `{n}`: sha256 `{digest}`" for n, digest in own.claim.hashes.items()]
    licence = licence_of(own)
    why = "as the encoder's" if own.licence is None else "as stated by who exported it"
    lines.append(
        f"- licence: {licence}, {why}"
        if licence
        else "- licence: not stated; the encoder's own and the data's hold"
    )
    if own.certificate is not None:
        files = own.certificate.files
        lines.append("- files:")
        lines += [f"  - `{name}`: sha256 `{digest}`" for name, digest in files.items()]
    return "\n".join(lines)


def _list(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])
