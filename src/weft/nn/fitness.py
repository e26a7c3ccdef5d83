"""What an encoder as it was loaded must be before anything is trained on it or read by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from weft.errors import BackboneError, listed
from weft.nn.anatomy import bare, position_offset

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST = 512  # tokens; what the default max_length never exceeds
_OF_BERT = 3  # special tokens around a pair: [CLS] a [SEP] b [SEP]
_SHORTEST = 10  # positions; `verify` reads made-up examples of up to 9 tokens
_UNKNOWN = 0.9  # of the tokens
_OF_A_LAYER = re.compile(r"\.layers?\.\d+\.")


def refuse_tokenizer(name: str, tokenizer: PreTrainedTokenizerBase, model: nn.Module) -> None:
    """Refuses a tokenizer that cannot serve this encoder.

    Args:
        name: of the encoder, for the error.
        model: the encoder as transformers made it, with or without weights.

    Raises:
        BackboneError: there is none, it is a slow one, it has tokens that the encoder has no
            embedding for, or it makes nothing of a text.
    """
    given: Any = tokenizer
    own = "AutoTokenizer.from_pretrained(ORIGINAL).save_pretrained(FOLDER)"
    # transformers makes an empty tokenizer, special tokens only, where a folder has none
    if len(given) <= len(given.all_special_tokens):
        raise BackboneError(
            f"{name} has no tokenizer: every word would be unknown",
            remedy=f"save the encoder's own beside it: {own}",
        )
    if not given.is_fast:
        raise BackboneError(
            f"{name} has no fast tokenizer",
            remedy="save one beside the model: AutoTokenizer.from_pretrained(..., use_fast=True)"
            ".save_pretrained(FOLDER)",
        )
    rows = getattr(cast("Any", bare(model)).get_input_embeddings(), "num_embeddings", None)
    last, token = max((int(place), str(token)) for token, place in given.get_vocab().items())
    if rows is not None and last >= rows:
        raise BackboneError(
            f"the tokenizer of {name} is another encoder's: it has tokens without an embedding",
            found=f"token {token!r} is number {last}; the encoder has {rows} embeddings",
            remedy=f"save the encoder's own beside it: {own}",
        )
    if not given.num_special_tokens_to_add():
        raise BackboneError(
            f"the tokenizer of {name} puts no special tokens around a text, so that there is no "
            "first token to read it by and nothing is left of an empty one",
            found=listed(given.all_special_tokens) or "no special tokens",
            remedy=f"save the encoder's own beside it: {own}",
        )


def refuse_unknown(name: str, tokenizer: PreTrainedTokenizerBase, ids: NDArray[np.int64]) -> None:
    """Refuses a tokenizer that knows almost none of the words in these texts.

    Args:
        name: of the encoder, for the error.
        ids: (T,) tokens of texts to train on or select by.

    Raises:
        BackboneError: more than nine in ten of their tokens are the one for what is not known.
    """
    given: Any = tokenizer
    words = ids[~np.isin(ids, [one for one in given.all_special_ids if one != given.unk_token_id])]
    if given.unk_token_id is None or not len(words):
        return
    share = float((words == given.unk_token_id).mean())
    if share > _UNKNOWN:
        raise BackboneError(
            f"the tokenizer of {name} knows almost none of the words in these texts",
            found=f"{share:.0%} of the tokens are {given.unk_token}",
            remedy="use an encoder of the texts' language and script; if this is one, its "
            "tokenizer is another's: save its own beside it",
        )


def refuse_weights(name: str, model: nn.Module, info: Mapping[str, Any]) -> None:
    """Refuses weights that are not those of the configuration beside them, or no numbers.

    Args:
        name: of the encoder, for the error.
        info: transformers' own report on loading.

    Raises:
        BackboneError: they are.
    """
    over = sorted(str(key) for key in info["unexpected_keys"] if _OF_A_LAYER.search(str(key)))
    if over:
        raise BackboneError(
            f"the weights of {name} are not those of its config.json: it has more layers than that "
            "says",
            found=listed(over, 3),
            remedy="fetch or save the checkpoint again",
        )
    for tensor, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise BackboneError(
                f"the weights of {name} are damaged: some are no finite numbers",
                found=tensor,
                remedy="fetch or save the checkpoint again",
            )


def max_length_of(
    name: str, model: nn.Module, tokenizer: PreTrainedTokenizerBase | None, wanted: int | None
) -> int:
    """Tokens that texts are cut to.

    Args:
        name: of the encoder, for the error.
        tokenizer: the encoder's; None where it is not at hand yet: taken to be like BERT's.
        wanted: as set; None: the encoder's own limit, 512 at most.

    Raises:
        BackboneError: the encoder cannot read so many, or nothing of a text would be left.
    """
    config = cast("Any", model.config)
    limit = int(getattr(config, "max_position_embeddings", _LONGEST)) - position_offset(model)
    if limit < _SHORTEST:
        raise BackboneError(
            f"{name} reads too few tokens to tell texts apart",
            found=f"its position limit is {limit}",
            remedy=f"use an encoder with at least {_SHORTEST} positions",
        )
    if wanted is None:
        return min(limit, _LONGEST)
    if wanted > limit:
        raise BackboneError(
            f"max_length is more than {name} can read",
            found=f"{wanted} tokens; its position limit is {limit}",
            remedy=f"set max_length to at most {limit}",
        )
    special = _OF_BERT
    if tokenizer is not None:
        special = int(cast("Any", tokenizer).num_special_tokens_to_add(pair=True))
    if wanted < special + 2:
        raise BackboneError(
            "max_length leaves no room for a text",
            found=f"{wanted} tokens, {special} of which may be special ones of {name}",
            remedy=f"set max_length to at least {special + 2}",
        )
    return wanted
