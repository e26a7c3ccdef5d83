"""Adapters in PEFT's format: what we save PEFT loads, and what PEFT saved we load.

With CLS pooling the folder is a PEFT sequence classifier, head included. With mean pooling, which
transformers has no classifier for, the adapter is one for the bare encoder and the head lies
beside it in `head.safetensors`. Equal runs give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import (
    load_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
    save_file,  # pyright: ignore[reportUnknownVariableType]  (its PathLike is bare)
)
from torch import Tensor, nn

from weft.config import LoraSettings
from weft.errors import AdapterError
from weft.export.card import BackboneCard
from weft.export.tensors import portable, refuse_odd, renamed
from weft.nn.backbone import Backbone
from weft.nn.bank import Bank
from weft.nn.shapes import PREFIX, shapes_of

CONFIG, WEIGHTS, HEAD = "adapter_config.json", "adapter_model.safetensors", "head.safetensors"
_MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_UNTRAINED = (  # settings of PEFT's that ask for more than plain LoRA
    *("use_dora", "use_rslora", "use_qalora", "alora_invocation_tokens", "rank_pattern"),
    *("alpha_pattern", "layers_to_transform", "layer_replication", "trainable_token_indices"),
    *("target_parameters", "exclude_modules", "fan_in_fan_out", "megatron_config", "lora_bias"),
    *("eva_config", "corda_config"),
)
GIVEN = "the given LoraConfig"
_A, _B = ".lora_A.weight", ".lora_B.weight"
_PEFT_HEADS = {"classifier", "score"}  # what PEFT itself trains and saves of a classifier


def backbone_card(backbone: Backbone) -> BackboneCard:
    """What a saved model says of its encoder."""
    source = backbone.source
    return BackboneCard(
        name=source.name,
        revision=source.revision,
        sha256=backbone.sha256,
        pooling=source.pooling,
        max_length=backbone.max_length,
        precision=backbone.precision,
    )


def save_adapter(
    folder: Path, bank: Bank, state: Mapping[str, Tensor], lora: LoraSettings | None = None
) -> None:
    """Writes one run's adapter, head and tokenizer into `folder`, which must exist.

    Args:
        bank: gives the shape; its slots are not read.
        state: the run's tensors by PEFT's names, as `Bank.state` has them.
        lora: the run's own adapter; None: the bank's.
    """
    from peft import LoraConfig

    backbone, lora = bank.backbone, lora or bank.lora
    mean = backbone.source.pooling == "mean"
    hub_id = _MINILM_HUB_ID if backbone.source.name == "minilm" else backbone.source.name
    # the layer's own names, as short as they stay unambiguous: PEFT matches by their ends
    sites = {name.partition(".lora_")[0] for name in state if ".lora_" in name}
    targets = lora.target_modules or tuple({site.rpartition(".")[2] for site in sites})
    whole = _PEFT_HEADS | {n for n in backbone.fresh if n.split(".")[0] not in _PEFT_HEADS}
    config = LoraConfig(
        task_type="FEATURE_EXTRACTION" if mean else "SEQ_CLS",
        base_model_name_or_path=hub_id,
        revision=backbone.source.revision,
        r=lora.r,
        lora_alpha=cast("int", lora.lora_alpha),
        lora_dropout=lora.lora_dropout,
        bias=lora.bias,
        target_modules=sorted(targets),
        modules_to_save=None if mean else sorted(whole),
        inference_mode=True,
    )
    # PEFT keeps the names as sets, whose order varies from process to process
    fields = {
        key: sorted(cast("set[str]", value)) if isinstance(value, set) else value
        for key, value in cast("dict[str, Any]", config.to_dict()).items()
    }
    text = json.dumps(fields, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    tensors = portable(state)
    if mean:
        head = {name: t for name, t in tensors.items() if ".lora_" not in name}
        tensors = {name: t for name, t in tensors.items() if name not in head}
        save_file(renamed(head, PREFIX, ""), folder / HEAD, metadata={"format": "pt"})
        tensors = renamed(tensors, f"{PREFIX}base.", PREFIX)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    cast("Any", backbone.tokenizer).save_pretrained(str(folder))


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter as read from a folder, ours or PEFT's."""

    lora: LoraSettings
    state: dict[str, Tensor]
    """By the names that `Bank.state` uses."""
    base: str
    """The backbone that its config names."""
    classes: int
    mean: bool
    head: tuple[str, ...]
    """Modules whose weights come whole."""


def read_adapter(folder: Path) -> SavedAdapter:
    """Reads adapter and head from a PEFT folder of a sequence classifier, or from one of ours.

    Raises:
        AdapterError: files are missing or damaged, or the adapter is of a kind weft cannot train.
    """
    try:
        config = cast("dict[str, Any]", json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        state = load_file(folder / WEIGHTS)
        mean = (folder / HEAD).is_file()
        if mean:
            state = renamed(state, PREFIX, f"{PREFIX}base.")
            state |= renamed(load_file(folder / HEAD), "", PREFIX)
    except FileNotFoundError as error:
        pickled = " (adapter_model.bin is pickled, which weft never opens)"
        raise AdapterError(
            f"{folder} is no adapter folder: {Path(str(error.filename)).name} is missing"
            + (pickled if (folder / "adapter_model.bin").exists() else ""),
            remedy="name a folder with adapter_config.json and adapter_model.safetensors",
        ) from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise AdapterError(
            f"the adapter in {folder} is damaged", found=str(error), remedy="save it again"
        ) from error
    try:
        lora = lora_settings(config, str(folder))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AdapterError(
            f"{folder / CONFIG} is damaged: it does not describe a LoRA adapter",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            remedy="save the adapter again",
        ) from error
    refuse_odd(state, str(folder))
    _refuse_shapes(state, lora.r, folder)
    whole = [name for name in state if ".lora_" not in name]
    last = [name for name in whole if name.endswith(".weight") and state[name].ndim == 2]
    heads = [name for name in last if name[len(PREFIX) :].split(".")[0] in _PEFT_HEADS]
    heads = heads or last  # by another name
    if not heads:
        raise AdapterError(
            f"the adapter in {folder} has no classification head",
            found=", ".join(sorted(whole)) or "low-rank updates only",
            remedy="save it as a sequence classifier (task_type SEQ_CLS, head in modules_to_save)",
        )
    return SavedAdapter(
        lora=lora,
        state=state,
        base=str(config.get("base_model_name_or_path") or ""),
        classes=int(state[_output_layer(heads, state)].shape[0]),
        mean=mean,
        head=tuple(name[len(PREFIX) :].removesuffix(".weight") for name in last),
    )


def _refuse_shapes(state: Mapping[str, Tensor], rank: int, folder: Path) -> None:
    """Refuses tensors that are not of the rank that the config names, before room is made for them.

    Raises:
        AdapterError: names the first of them.
    """
    for name, tensor in state.items():
        side = 0 if ".lora_A." in name else 1
        low = tensor.ndim == 2 and tensor.shape[side] == rank
        if (".lora_" in name and not low) or (
            name.endswith(".weight") and tensor.ndim not in (1, 2)
        ):
            raise AdapterError(
                f"the weights in {folder} are not those of its {CONFIG}, which names rank {rank}",
                found=f"{name[:120]} of shape {tuple(tensor.shape)}",
                remedy="save the adapter again",
            )


def _output_layer(heads: list[str], state: Mapping[str, Tensor]) -> str:
    """The head's last layer: RoBERTa's kin call it out_proj; of others that with the fewest rows,
    since what lies before it is as wide as the encoder."""
    named = [name for name in heads if name.endswith("out_proj.weight")]
    return named[-1] if named else min(heads, key=lambda name: len(state[name]))


def lora_settings(config: Mapping[str, Any], where: str) -> LoraSettings:
    """Our settings from PEFT's.

    Raises:
        AdapterError: it asks for something that a bank does not train.
    """
    if config.get("peft_type") not in (None, "LORA"):
        raise AdapterError(
            f"{where}: adapters of type {config.get('peft_type')} are not supported",
            remedy="use LoRA",
        )
    odd = {name: config.get(name) for name in _UNTRAINED if config.get(name)}
    saved = cast("list[str]", config.get("modules_to_save") or [])
    if where == GIVEN and not set(saved) <= _PEFT_HEADS:
        odd["modules_to_save"] = saved
    if config.get("bias", "none") != "none":
        odd["bias"] = config["bias"]
    if config.get("init_lora_weights", True) is not True:
        odd["init_lora_weights"] = config["init_lora_weights"]
    targets = config.get("target_modules")
    if isinstance(targets, str):
        odd["target_modules"] = targets
    if odd:
        raise AdapterError(
            f"{where}: weft trains plain LoRA only",
            found=", ".join(f"{name}={value!r}" for name, value in odd.items()),
            remedy="leave these at PEFT's defaults, and list target_modules by name",
        )
    return LoraSettings(
        r=int(config["r"]),
        lora_alpha=float(config["lora_alpha"]),
        lora_dropout=float(config["lora_dropout"]),
        target_modules=tuple(sorted(cast("list[str]", targets))) if targets else None,
    )


def restore(bank: Bank, slot: int, saved: SavedAdapter, where: str) -> None:
    """Puts a saved adapter into a slot.

    Raises:
        AdapterError: its tensors are not those that this backbone needs.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in bank.state(slot).items()}
    _fits(saved, wanted, bank.backbone, where)
    with torch.no_grad():
        bank.load_state(slot, saved.state)


def merge(backbone: Backbone, saved: SavedAdapter, where: str) -> dict[str, Tensor]:
    """Adds a saved adapter's low-rank updates to the frozen weights, for a model of one adapter
    that only predicts: no product more than the encoder's own.

    Args:
        backbone: its weights are changed in place.

    Returns:
        What is left to put into a bank's slot: the head.

    Raises:
        AdapterError: its tensors are not those that this backbone needs.
        ConfigError: the encoder has no layer of a name that the adapter asks for.
    """
    model = cast("nn.Module", backbone.model)
    _fits(saved, shapes_of(model, saved.lora, backbone.fresh), backbone, where)
    head = dict(saved.state)
    for name in [name for name in saved.state if name.endswith(_A)]:
        a, b = head.pop(name), head.pop(name.removesuffix(_A) + _B)
        layer = model.get_submodule(name.removeprefix(PREFIX).removesuffix(_A))
        weight = cast("nn.Linear", layer).weight
        update = b.double() @ a.double() * (saved.lora.lora_alpha / saved.lora.r)
        weight.data = (weight.double() + update).to(weight.dtype)
    return head


def _fits(
    saved: SavedAdapter, wanted: Mapping[str, tuple[int, ...]], backbone: Backbone, where: str
) -> None:
    given = {name: tuple(tensor.shape) for name, tensor in saved.state.items()}
    if wanted != given:
        odd = sorted(set(wanted.items()) ^ set(given.items()))
        raise AdapterError(
            f"{where} does not fit the backbone {backbone.source.name}",
            found="; ".join(f"{name} {shape}" for name, shape in odd[:3]),
            remedy="give the backbone that it was trained on with --backbone",
        )
