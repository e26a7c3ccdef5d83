"""The bank: targets, slots, initial weights, and what does not move."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

from weft.config import BankSettings, LoraSettings, Recipe
from weft.errors import ConfigError
from weft.nn.shapes import target_names
from weft.training.loop import train
from weft.training.slots import Job

from .. import tiny
from ..tiny import KINDS, TARGETS, Checkpoint, backbone, bank, examples, judges, labels, quiet, stir


def test_unknown_targets_name_those_there_are(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError) as caught:
        bank(checkpoint("bert"), targets=("q_proj", "v_proj"))
    assert "q_proj" in caught.value.problem
    for name in ("query", "key", "value", "dense"):
        assert name in caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_default_targets_are_query_and_value(checkpoint: Checkpoint, kind: str) -> None:
    model = backbone(checkpoint(kind)).model
    found = target_names(model, LoraSettings(), ())
    assert len(found) == 2 * 2
    assert {name.rpartition(".")[2] for name in found} == set(TARGETS[kind])


@pytest.mark.parametrize(
    "targets",
    [
        ("query",),
        ("query", "key", "value"),
        ("attention.output.dense",),
        ("0.attention.self.key",),
        ("query", "dense"),  # which is the name of BERT's pooler too
    ],
)
def test_targets_are_those_that_peft_finds(
    checkpoint: Checkpoint, targets: tuple[str, ...]
) -> None:
    folder = checkpoint("bert")
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
        lora = LoraConfig(task_type="SEQ_CLS", target_modules=list(targets))
        peer = get_peft_model(model, lora)
    end = ".lora_A.default.weight"
    theirs = {name.removesuffix(end) for name, _ in peer.named_parameters() if name.endswith(end)}
    ours = bank(folder, targets=targets).targets
    assert {f"base_model.model.{name}" for name in ours} == theirs


def test_a_slot_is_a_view_of_the_bank(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 3)
    before = {name: tensor.clone() for name, tensor in ours.trained.items()}
    state = stir(ours, 1, seed=1)
    for name, tensor in ours.trained.items():
        assert torch.equal(tensor[1], state[name])
        assert torch.equal(tensor[[0, 2]], before[name][[0, 2]])
    ours.load_state(2, state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state(2).items())


def test_parameters_of_a_slot_share_its_memory(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    for own, whole in zip(ours.parameters_of(1), ours.trained.values(), strict=True):
        assert own.data_ptr() == whole[1].data_ptr()
        assert own.grad is not None
        assert whole.grad is not None
        assert own.grad.data_ptr() == whole.grad[1].data_ptr()


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_initial_weights(checkpoint: Checkpoint, kind: str) -> None:
    """A as PEFT draws it, B zero, the head as transformers draws it; all fixed by the seed."""
    ours = bank(checkpoint(kind), 3)
    for slot, seed in enumerate((1, 1, 2)):
        ours.enter(slot, seed)
    for name, parameter in ours.trained.items():
        tensor = parameter.detach()
        if name.endswith((".bias", "lora_B.weight")):
            assert not tensor.any(), name
            continue
        assert torch.equal(tensor[0], tensor[1])
        assert not torch.equal(tensor[0], tensor[2])
        if name.endswith("lora_A.weight"):
            bound = (1 / tensor.shape[-1]) ** 0.5  # of Kaiming's uniform with a = sqrt(5)
            assert 0.9 * bound < tensor.abs().max().item() <= bound
        else:
            assert tensor.std().item() == pytest.approx(0.2, rel=0.2)
    updates = [tensor for name, tensor in ours.state(0).items() if name.endswith("lora_A.weight")]
    assert len(updates) == 4
    assert not any(torch.equal(updates[0], other) for other in updates[1:])


def test_an_empty_slot_does_not_move(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 4)
    kept = {slot: stir(ours, slot, seed=slot) for slot in (1, 2, 3)}
    recipe = Recipe(batch_size=4, epochs=2, weight_decay=0.5)
    list(
        train(ours, [Job("run", 1, examples(10), labels(10), recipe)], judges(ours), BankSettings())
    )
    for slot, state in kept.items():
        for name, tensor in ours.state(slot).items():
            assert torch.equal(tensor, state[name]), (slot, name)
    assert any(tensor.any() for name, tensor in ours.state(0).items() if "lora_B" in name)


def test_the_encoder_is_frozen(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    trained = {id(parameter) for parameter in ours.trained.values()}
    frozen = {
        name: tensor.clone()
        for name, tensor in [*ours.model.named_parameters(), *ours.model.named_buffers()]
        if id(tensor) not in trained
    }
    assert len(frozen) > 20
    job = Job("run", 1, examples(10), labels(10), Recipe(batch_size=4, epochs=2))
    list(train(ours, [job], judges(ours), BankSettings()))
    now = dict([*ours.model.named_parameters(), *ours.model.named_buffers()])
    for name, tensor in frozen.items():
        assert torch.equal(now[name], tensor), name
        assert not now[name].requires_grad, name
        assert now[name].grad is None, name


@pytest.mark.parametrize(
    ("precision", "frozen", "trained"),
    [
        ("bf16", torch.bfloat16, torch.float32),
        ("float32", torch.float32, torch.float32),
        ("float64", torch.float64, torch.float64),
    ],
)
def test_number_formats(
    checkpoint: Checkpoint,
    precision: str,
    frozen: torch.dtype,
    trained: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiny, "FORM", "strips")
    ours = bank(checkpoint("bert"), 2, precision)
    assert {tensor.dtype for tensor in ours.trained.values()} == {trained}
    query = ours.model.get_submodule("bert.encoder.layer.0.attention.self.query.base")
    assert query.weight.dtype == frozen
