"""Encoders beyond the usual four: trained as their peers are, or refused in words; never wrongly.

Some look over their edges, see a window only, count positions by padding, pass through one layer
again, norm behind the last layer or pool in a head of their own: each breaks packing in its way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.config import LoraSettings
from weft.errors import BackboneError
from weft.nn.bank import Bank
from weft.text.packing import pack

from .. import tiny
from ..close import assert_all_close, assert_close
from ..tiny import backbone, examples, labels, save_any, stir
from .peer import REPLAY, Recorder, peer_of, register, replaying
from .peer import step as peer_step
from .steps import Part, step

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, on its rarer encoders

QUERY_VALUE = ("query", "value")
KINDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    # targets, settings of its own
    "xlm-roberta": (QUERY_VALUE, {"pad_token_id": 1, "type_vocab_size": 1}),
    "modernbert": (
        ("Wqkv",),
        {"num_hidden_layers": 4, "local_attention": 16, "global_attn_every_n_layers": 2},
    ),
    "deberta-v2": (
        ("query_proj", "value_proj"),
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "norm_rel_ebd": "layer_norm"},
    ),
    "deberta": (("in_proj",), {"relative_attention": True, "pos_att_type": ["c2p"]}),
    "mpnet": (("q", "v"), {"pad_token_id": 1}),
    "albert": (QUERY_VALUE, {"embedding_size": 16}),
    "nomic_bert": (("q_proj", "v_proj"), {}),
    "eurobert": (("q_proj", "v_proj"), {"classifier_pooling": "mean"}),
    "roformer": (QUERY_VALUE, {}),
    "xlm-roberta-xl": (QUERY_VALUE, {}),
    "roberta-prelayernorm": (QUERY_VALUE, {"pad_token_id": 1}),
    "convbert": (QUERY_VALUE, {"embedding_size": 32}),
    "longformer": (QUERY_VALUE, {"attention_window": [8, 8]}),
    "llama": (("q_proj", "v_proj"), {}),
    "bart": (("q_proj", "v_proj"), {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}),
    "esm": (QUERY_VALUE, {"position_embedding_type": "rotary"}),
    "layoutlm": (QUERY_VALUE, {}),
}
IN_FLOAT32 = {"modernbert", "eurobert"}  # parts of these compute in it whatever is asked

Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """made(kind): a tiny random classifier of that kind, as save_pretrained writes it."""
    folders: dict[str, Path] = {}

    def give(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = save_any(tmp_path_factory.mktemp(kind), kind, **KINDS[kind][1])
        return folders[kind]

    return give


def bank_of(folder: Path, kind: str, pooling: str) -> Bank | None:
    """A bank of three, or None where it is refused as it should be."""
    lora = LoraSettings(r=4, lora_alpha=6, lora_dropout=0.3, target_modules=KINDS[kind][0])
    precision = "float32" if kind in IN_FLOAT32 else "float64"
    try:
        form = tiny.FORM if kind == "xlm-roberta" else None
        return Bank(backbone(folder, precision, pooling=pooling), lora, 3, form)
    except BackboneError as error:
        remedy = error.remedy
    assert "BERT" in remedy or "encoder" in remedy
    return None


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("kind", KINDS)
def test_right_or_refused(made: Make, kind: str, pooling: str) -> None:
    folder = made(kind)
    ours = bank_of(folder, kind, pooling)
    if ours is None:
        assert kind not in ("xlm-roberta", "nomic_bert", "roformer"), "these can be packed"
        return
    # longer than any window, beside a run of short ones
    tokens, classes = examples(5, seed=5, high=70), labels(5)
    state = stir(ours, 1, seed=4)
    stir(ours, 0, seed=3)
    neighbour = Part(0, examples(4, seed=6, high=12), labels(4))
    got = step(ours, [neighbour, Part(1, tokens, classes)])[1]
    theirs = peer_of(folder, ours, state)
    logits, loss, gradients = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_close(got.loss, loss, "loss")
    assert_all_close(got.gradients, gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_the_peers_and_ours_alone(made: Make, kind: str) -> None:
    """Where the peer drops, the bank drops, by masks of its own; neighbours change nothing."""
    register()
    folder = made(kind)
    ours = bank_of(folder, kind, "cls")
    if ours is None:
        return
    tokens, classes = examples(5, seed=5, high=40), labels(5)
    state = stir(ours, 1, seed=4)
    mine = Part(1, tokens, classes, stream=(8, 2))
    recorder = Recorder(ours)
    recorder.strips = pack([(1, tokens)], pad=ours.pad, form=ours.form)
    (got,) = step(ours, [mine])
    theirs = peer_of(folder, ours, state, attention=REPLAY)
    theirs.train()
    with replaying(theirs, recorder.drawn):
        logits, _, gradients = peer_step(theirs, tokens, classes, ours.pad)
    assert_close(got.logits, logits, "logits")
    assert_all_close(got.gradients, gradients)

    recorder.stop()
    stir(ours, 2, seed=3)
    other = Part(2, examples(4, seed=6, high=60), labels(4), stream=(9, 9))
    beside = step(ours, [mine, other])[0]
    assert_close(beside.logits, got.logits, "logits beside another run")
    assert_all_close(beside.gradients, got.gradients)
