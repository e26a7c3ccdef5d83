"""Whether an encoder computes the same in a bank as it did with each example by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from weft.errors import BackboneError
from weft.nn.anatomy import bare, use_attention
from weft.nn.backbone import Backbone
from weft.nn.mean import MeanClassifier
from weft.text.tokens import Tokens


@dataclass(frozen=True)
class Reference:
    """A few made-up examples, and what the model made of each by itself."""

    tokens: Tokens
    pooled: Tensor  # (B, H) what the head gets: first tokens, or means
    logits: Tensor  # (B, C) with the head's weights as they came


def reference(backbone: Backbone, offset: int) -> Reference:
    """Runs made-up examples one by one through the model as it came.

    Args:
        offset: the position of an example's first token.

    Raises:
        BackboneError: the model is no encoder: its first token sees none to the right.
    """
    model = cast("nn.Module", backbone.model)
    config = cast("Any", model.config)
    generator = torch.Generator().manual_seed(7)
    device = next(model.parameters()).device
    low = min(offset + 8, config.vocab_size - 2)
    rows = [
        torch.randint(low, config.vocab_size, (length,), generator=generator).to(device)
        for length in (5, 9, 3)
    ]
    use_attention(model, "eager")
    with torch.no_grad():
        hidden = [_hidden(model, ids) for ids in rows]
        other = torch.cat([rows[0][:-1], torch.full((1,), low - 1, device=device)])
        if torch.equal(_hidden(model, other)[0], hidden[0][0]):
            raise BackboneError(
                f"{backbone.source.name} is no encoder: it reads from left to right only",
                found=type(model).__name__,
                remedy="use an encoder such as BERT, RoBERTa, DistilBERT, ELECTRA or ModernBERT",
            )
        if isinstance(model, MeanClassifier):
            pooled = torch.stack([row.mean(0) for row in hidden])
            logits = cast("Tensor", model.classifier(pooled))
        else:
            pooled = torch.stack([row[0] for row in hidden])
            logits = torch.cat([cast("Any", model)(input_ids=ids[None]).logits for ids in rows])
    flat = torch.cat(rows).cpu().numpy()
    offsets = torch.tensor([0, *(len(ids) for ids in rows)]).cumsum(0).numpy()
    return Reference(Tokens(flat, flat * 0, offsets), pooled, logits)


def _hidden(model: nn.Module, ids: Tensor) -> Tensor:
    """ids: (T,) -> (T, H) last hidden states."""
    encoder = cast("Any", bare(model)).base_model
    return cast("Tensor", encoder(input_ids=ids[None]).last_hidden_state[0])


def agree(ours: Tensor, theirs: Tensor, what: str, backbone: Backbone) -> None:
    """Holds what the bank computed for the reference's examples against the reference.

    Raises:
        BackboneError: they differ by more than float32 explains.
    """
    if ours.shape != theirs.shape:
        raise refusal(backbone, f"{what} of shape {tuple(ours.shape)}, not {tuple(theirs.shape)}")
    if not torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4):
        raise refusal(backbone, f"{what} differ by up to {(ours - theirs).abs().max():.2g}")


def refusal(backbone: Backbone, why: object) -> BackboneError:
    """The error for a model that computes something else in a bank than by itself."""
    if isinstance(why, BackboneError):
        return why
    reason = str(why).splitlines()
    return BackboneError(
        f"{backbone.source.name} cannot be trained in a bank: neither packed nor padded does it "
        "compute there what it computes by itself",
        found=f"{type(backbone.model).__name__}: {reason[0] if reason else type(why).__name__}",
        remedy="use an encoder such as BERT, RoBERTa, DistilBERT, ELECTRA, MPNet or ModernBERT",
    )
