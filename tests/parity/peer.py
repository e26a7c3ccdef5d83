"""The peer: transformers' classifier under PEFT's LoRA, holding the weights of one slot.

With dropout on, the peer draws nothing: it is handed the masks that the bank drew, laid out padded.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModel,
    AutoModelForSequenceClassification,
)
from transformers.masking_utils import eager_mask

from weft.nn.bank import Bank
from weft.nn.dropout import BankDropout, Keep
from weft.nn.shapes import PREFIX
from weft.text.packing import Strips
from weft.text.tokens import Tokens

from ..tiny import CLASSES, quiet

REPLAY = "weft-tests-replay"


class MeanPeer(nn.Module):
    """A linear layer on the masked mean of a bare encoder under PEFT."""

    def __init__(self, encoder: nn.Module, hidden: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden, CLASSES)

    def forward(self, attention_mask: Tensor, **inputs: Tensor) -> Any:
        from transformers.modeling_outputs import SequenceClassifierOutput

        hidden = self.encoder(attention_mask=attention_mask, **inputs).last_hidden_state
        real = attention_mask[..., None].to(hidden.dtype)
        mean = (hidden * real).sum(1) / real.sum(1)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(mean)))


def peer_of(
    folder: Path, bank: Bank, state: dict[str, Tensor], *, attention: str = "eager"
) -> nn.Module:
    """The peer over the same checkpoint, with the bank's LoRA settings and the state's weights."""
    dtype = next(iter(state.values())).dtype
    lora = LoraConfig(
        task_type="SEQ_CLS",
        r=bank.lora.r,
        lora_alpha=bank.lora.lora_alpha,
        lora_dropout=bank.lora.lora_dropout,
        target_modules=list({name.rpartition(".")[2] for name in bank.targets}),
        modules_to_save=[n for n in bank.backbone.fresh if not n.startswith("classifier")] or None,
    )
    options: dict[str, Any] = {"attn_implementation": attention, "dtype": torch.float32}
    with quiet():
        if bank.backbone.source.pooling == "mean":
            lora.task_type = "FEATURE_EXTRACTION"
            encoder = AutoModel.from_pretrained(folder, **options)
            model: nn.Module = MeanPeer(
                get_peft_model(encoder, lora),
                encoder.config.hidden_size,
                getattr(encoder.config, "hidden_dropout_prob", 0.1),
            )
        else:
            base = AutoModelForSequenceClassification.from_pretrained(
                folder, num_labels=CLASSES, **options
            )
            model = get_peft_model(base, lora)
    model.to(dtype).eval()
    ours = trainable(model)
    assert ours.keys() == state.keys(), sorted(ours.keys() ^ state.keys())
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(state[name])
    return model


def plain_peer_of(
    folder: Path, bank: Bank, state: dict[str, Tensor], *, attention: str = "eager"
) -> nn.Module:
    """The peer without PEFT: what the state names is trained, and holds its weights."""
    dtype = next(iter(state.values())).dtype
    options: dict[str, Any] = {"attn_implementation": attention, "dtype": torch.float32}
    with quiet():
        if bank.backbone.source.pooling == "mean":
            encoder = AutoModel.from_pretrained(folder, **options)
            encoder.pooler = None
            dropout = getattr(encoder.config, "hidden_dropout_prob", 0.1)
            model: nn.Module = MeanPeer(encoder, encoder.config.hidden_size, dropout)
        else:
            model = AutoModelForSequenceClassification.from_pretrained(
                folder, num_labels=CLASSES, **options
            )
    model.to(dtype).eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(clean(name) in state)
    ours = trainable(model)
    assert ours.keys() == state.keys(), sorted(ours.keys() ^ state.keys())
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(state[name])
    return model


def clean(name: str) -> str:
    """A live PEFT model's name for a module or tensor -> the name in its files."""
    name = name.replace(".modules_to_save.default", "").replace(".default", "")
    if name.startswith(f"encoder.{PREFIX}"):  # of a MeanPeer
        return f"{PREFIX}base." + name.removeprefix(f"encoder.{PREFIX}")
    if name.startswith("encoder."):  # of one without PEFT
        return f"{PREFIX}base." + name.removeprefix("encoder.")
    return name if name.startswith("base_model") else PREFIX + name


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the peer trains, by the names of `Bank.state`."""
    return {clean(name): p for name, p in model.named_parameters() if p.requires_grad}


def padded(tokens: Tokens, model: nn.Module, pad: int) -> dict[str, Tensor]:
    """Examples as transformers wants them: one a row, filled up to the longest."""
    rows, longest = len(tokens), int(tokens.lengths.max())
    ids, types, mask = (np.zeros((rows, longest), dtype=np.int64) for _ in range(3))
    ids[:] = pad
    for row, (begin, end) in enumerate(zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)):
        ids[row, : end - begin] = tokens.ids[begin:end]
        types[row, : end - begin] = tokens.types[begin:end]
        mask[row, : end - begin] = 1
    encoder: Any = model.encoder if isinstance(model, MeanPeer) else model
    base = encoder.get_base_model() if hasattr(encoder, "get_base_model") else encoder
    accepted = inspect.signature(base.forward).parameters
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: torch.from_numpy(value) for name, value in inputs.items() if name in accepted}


def step(
    model: nn.Module, tokens: Tokens, labels: np.ndarray, pad: int
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """(logits, loss, gradients by the names of `Bank.state`) of one batch."""
    model.zero_grad()
    logits = model(**padded(tokens, model, pad)).logits
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels))
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in trainable(model).items() if p.grad is not None}
    return logits.detach(), loss.detach(), gradients


# ---- the bank's dropout, replayed


class Recorder:
    """What each dropout of a bank drew, as the factors that padded batches are to be taken by."""

    def __init__(self, bank: Bank) -> None:
        self.drawn: dict[str, deque[Tensor]] = {}
        self._strips: Strips | None = None
        self._heard: list[BankDropout] = []
        self._dtype = next(iter(bank.trained.values())).dtype
        for name, module in bank.model.named_modules():
            if isinstance(module, BankDropout):
                self._listen(PREFIX + name.replace("layer.0.twins.", "layer."), module)

    def _listen(self, name: str, module: BankDropout) -> None:
        rows, squares = module.mask, module.square_mask
        flat_rows, flat_squares = module.keep, module.keep_square

        def mask(x: Tensor) -> Tensor | None:
            drawn = rows(x)
            if drawn is not None:
                by_token = x.dim() == 3 and x.shape[:2] == self.strips.ids.shape
                kept = (drawn != 0).to(x.dtype) * module.scale
                self._keep(name, self._rows(kept) if by_token else kept)
            return drawn

        def square_mask(heads: int, dtype: torch.dtype) -> Tensor | None:
            drawn = squares(heads, dtype)
            if drawn is not None:
                self._keep(name, self._squares((drawn != 0).to(dtype) * module.scale))
            return drawn

        def keep(width: int) -> Keep | None:
            drawn = flat_rows(width)
            if drawn is not None:
                self._keep(name, self._rows(drawn.mask()[None].to(self._dtype) * module.scale))
            return drawn

        def keep_square(heads: int) -> Keep | None:
            drawn = flat_squares(heads)
            if drawn is not None:
                self._keep(
                    name, self._flat_squares(drawn.mask().to(self._dtype) * module.scale, heads)
                )
            return drawn

        module.mask, module.square_mask = mask, square_mask
        module.keep, module.keep_square = keep, keep_square
        self._heard.append(module)

    def stop(self) -> None:
        """Listens no more."""
        for module in self._heard:
            del module.mask, module.square_mask, module.keep, module.keep_square

    @property
    def strips(self) -> Strips:
        """The step to come; one run's."""
        assert self._strips is not None
        return self._strips

    @strips.setter
    def strips(self, strips: Strips) -> None:
        assert len(strips.segments) == 1
        self._strips = strips
        self.drawn.clear()

    def _keep(self, name: str, factors: Tensor) -> None:
        self.drawn.setdefault(name, deque()).append(factors)

    def _rows(self, kept: Tensor) -> Tensor:
        """(N, S, F) -> (B, L, F)."""
        strips = self.strips
        flat = kept.flatten(0, 1)
        result = kept.new_zeros(len(strips.lengths), int(strips.lengths.max()), kept.shape[-1])
        for example, places in enumerate(self._places()):
            result[example, : len(places)] = flat[places]
        return result

    def _squares(self, kept: Tensor) -> Tensor:
        """(N, heads, S, S) -> (B, heads, L, L)."""
        strips, width = self.strips, self.strips.ids.shape[1]
        longest = int(strips.lengths.max())
        result = kept.new_zeros(len(strips.lengths), kept.shape[1], longest, longest)
        for example, places in enumerate(self._places()):
            strip, begin, length = int(places[0]) // width, int(places[0]) % width, len(places)
            own = kept[strip, :, begin : begin + length, begin : begin + length]
            result[example, :, :length, :length] = own
        return result

    def _flat_squares(self, kept: Tensor, heads: int) -> Tensor:
        """In the order example, head, query, key -> (B, heads, L, L)."""
        lengths = self.strips.lengths.tolist()
        result = kept.new_zeros(len(lengths), heads, max(lengths), max(lengths))
        parts = kept.split([heads * length**2 for length in lengths])
        for example, (part, length) in enumerate(zip(parts, lengths, strict=True)):
            result[example, :, :length, :length] = part.view(heads, length, length)
        return result

    def _places(self) -> list[np.ndarray]:
        strips = self.strips
        return np.split(strips.place, np.cumsum(strips.lengths)[:-1])


class Replay(nn.Module):
    """Stands in for `nn.Dropout`: multiplies by the factors that were drawn for it, in turn."""

    def __init__(self, p: float, factors: deque[Tensor]) -> None:
        super().__init__()
        self.p, self.factors = p, factors

    def forward(self, x: Tensor) -> Tensor:
        if self.p == 0:
            return x
        assert self.factors, "the peer drops where the bank does not"
        factors = self.factors.popleft()
        assert factors.numel() == x.numel()
        return x * factors.view(x.shape)


def replayed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Eager attention whose probabilities are dropped by `module.replay`."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = torch.softmax(scores, dim=-1)
    if dropout > 0:
        probabilities = module.replay(probabilities)
    return (probabilities @ value).transpose(1, 2).contiguous(), None


@contextmanager
def replaying(model: nn.Module, drawn: dict[str, deque[Tensor]]) -> Iterator[None]:
    """Inside, the peer drops what the recorder has; on leaving, nothing drawn may be left over."""
    for name, module in list(model.named_modules()):
        own = clean(name)
        if name.endswith(".replay"):  # of an attention layer; it is set with its layer
            continue
        if isinstance(module, nn.Dropout | Replay):
            factors = drawn.get(own.replace("lora_dropout", "dropout"), deque())
            parent, _, leaf = name.rpartition(".")
            holder = model.get_submodule(parent)
            fresh = Replay(module.p, factors)
            if isinstance(holder, nn.ModuleDict):
                holder[leaf] = fresh
            else:
                setattr(holder, leaf, fresh)
        elif f"{own}.bank_dropout" in drawn:
            module.replay = Replay(0.5, drawn[f"{own}.bank_dropout"])
    yield
    left = sorted(name for name, factors in drawn.items() if factors)
    assert not left, f"the bank drops where the peer does not: {left}"


def register() -> None:
    """Makes the replaying attention known to transformers."""
    AttentionInterface.register(REPLAY, replayed_attention)
    AttentionMaskInterface.register(REPLAY, eager_mask)
