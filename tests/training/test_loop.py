"""The training loop: data orders, learning rate, early stopping, and slots filled again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from weft.config import BankSettings, Recipe, StudyConfig
from weft.nn.bank import Bank
from weft.randomness import seed_for
from weft.study.plan import steps_of
from weft.training.events import EpochEnd, Event, RunEnd, Stepped
from weft.training.inference import Packed, cross_entropy, logits_of, probabilities
from weft.training.loop import train
from weft.training.slots import Job, Judges, Slot

from ..tiny import Checkpoint, bank, examples, labels


def job(run_id: str = "run", seed: int = 1, size: int = 20, **recipe: object) -> Job:
    """A run over made-up examples."""
    settings = Recipe.model_validate({"learning_rate": 5e-3, "batch_size": 8} | recipe)
    return Job(run_id, seed, examples(size, seed=seed), labels(size, seed=seed), settings)


def judges(bank: Bank, run: Job | None = None, *, wrong: bool = False) -> Judges:
    """Validates on a run's own examples, with labels right or all wrong; tests on others."""
    tokens = examples(20, seed=90) if run is None else run.tokens
    right = labels(20, seed=90) if run is None else run.labels
    test = Packed.of(examples(15, seed=91), bank)
    return Judges(Packed.of(tokens, bank), (right + wrong) % 3, test)


def watched(events: Iterable[Event]) -> tuple[list[Event], list[dict[str, Tensor]]]:
    """All events, and a copy of the weights at each epoch's end."""
    seen: list[Event] = []
    weights: list[dict[str, Tensor]] = []
    for event in events:
        seen.append(event)
        if isinstance(event, EpochEnd):
            weights.append({name: tensor.clone() for name, tensor in event.state.items()})
    return seen, weights


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_stops_after_patience_and_restores_the_best(checkpoint: Checkpoint, patience: int) -> None:
    """What is learnt is wrong on validation, so its loss rises sooner or later."""
    ours = bank(checkpoint("bert"), 2)
    run = job(epochs=20, patience=patience, learning_rate=2e-3)
    judge = judges(ours, run, wrong=True)
    seen, weights = watched(train(ours, [run], judge, BankSettings()))
    epochs = [event for event in seen if isinstance(event, EpochEnd)]
    (end,) = [event for event in seen if isinstance(event, RunEnd)]
    losses = [event.validation_loss for event in epochs]
    best = int(np.argmin(losses))
    assert len(epochs) < 20
    assert end.epochs == len(epochs)
    assert end.best_epoch == best + 1 == len(epochs) - patience
    for name, tensor in end.state.items():
        assert torch.equal(tensor, weights[best][name]), name
        assert torch.equal(tensor, ours.state(0)[name]), name
    assert any(not torch.equal(end.state[name], weights[-1][name]) for name in end.state)
    logits = logits_of(ours, 0, judge.test)
    np.testing.assert_array_equal(end.test, probabilities(logits))
    np.testing.assert_allclose(end.test.sum(1), 1)
    scored = -np.log(end.validation[np.arange(20), judge.validation_labels]).mean()
    assert scored == pytest.approx(losses[best])


def test_the_weights_of_a_run_that_ended_are_the_callers(checkpoint: Checkpoint) -> None:
    """The next run in the slot must not write over them."""
    ours = bank(checkpoint("bert"), 1)
    runs = [job("a", 1, epochs=1), job("b", 2, epochs=1)]
    ends, copies = [], []
    for event in train(ours, runs, judges(ours), BankSettings()):
        if isinstance(event, RunEnd):
            ends.append(event)
            copies.append({name: tensor.clone() for name, tensor in event.state.items()})
    for end, copy in zip(ends, copies, strict=True):
        assert all(torch.equal(end.state[name], tensor) for name, tensor in copy.items())


def test_a_run_that_gets_better_goes_to_the_end(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert", dropout=0.0), 1, lora_dropout=0.0)
    run = job(epochs=6, patience=1, learning_rate=2e-3)
    seen, _ = watched(train(ours, [run], judges(ours, run), BankSettings()))
    losses = [event.validation_loss for event in seen if isinstance(event, EpochEnd)]
    assert len(losses) == 6
    assert losses == sorted(losses, reverse=True)
    (end,) = [event for event in seen if isinstance(event, RunEnd)]
    assert end.best_epoch == 6


def test_an_epochs_figures(checkpoint: Checkpoint) -> None:
    """Without dropout and with next to no learning the running figures are those of one pass."""
    ours = bank(checkpoint("bert", dropout=0.0), 1, "float64", lora_dropout=0.0)
    run = job(size=21, epochs=1, learning_rate=1e-12)
    judge = judges(ours, run)
    seen, _ = watched(train(ours, [run], judge, BankSettings()))
    (epoch,) = [event for event in seen if isinstance(event, EpochEnd)]
    logits = logits_of(ours, 0, judge.validation)
    assert epoch.train_loss == pytest.approx(cross_entropy(logits, run.labels), rel=1e-6)
    assert epoch.validation_loss == pytest.approx(epoch.train_loss, rel=1e-6)
    accuracy = float((logits.argmax(1) == run.labels).mean())
    assert epoch.train_accuracy == pytest.approx(accuracy)
    assert epoch.validation_accuracy == pytest.approx(accuracy)
    assert epoch.step == 3
    steps = [event for event in seen if isinstance(event, Stepped)]
    assert [step.examples for step in steps] == [8, 8, 5]


def test_learning_rate_falls_linearly_to_zero(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 1)
    run = job(size=20, epochs=4, learning_rate=0.01, patience=9)  # 3 steps an epoch
    slot = Slot(ours, 0, run, 0.0)
    rates = []
    for _ in range(12):
        slot.clip()
        slot.update()
        rates.append(slot.learning_rate)
    np.testing.assert_allclose(rates, 0.01 * (12 - np.arange(12)) / 12)
    assert slot.schedule.get_last_lr() == [0.0]
    assert slot.finished
    seen, _ = watched(train(ours, [run], judges(ours), BankSettings()))
    told = [event.learning_rate for event in seen if isinstance(event, EpochEnd)]
    np.testing.assert_allclose(told, 0.01 * np.array([10, 7, 4, 1]) / 12)


def orders(bank: Bank, run: Job, epochs: int) -> list[list[int]]:
    """The examples of each epoch in the order in which they are trained on."""
    slot = Slot(bank, 0, run, 0.0)
    result = []
    for _ in range(epochs):
        order: list[int] = []
        while not slot.epoch_ended or not order:
            order += slot.next_batch().tolist()
            slot.step += 1
        result.append(order)
        slot.next_epoch()
    return result


def test_each_epoch_is_a_permutation_of_its_own(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 1)
    mine = orders(ours, job(seed=1, size=21), 3)
    assert all(sorted(order) == list(range(21)) for order in mine)
    assert len({tuple(order) for order in mine}) == 3
    assert mine == orders(ours, job(seed=1, size=21), 3)
    assert mine[0] != orders(ours, job(seed=2, size=21), 1)[0]
    assert [len(set(order[:8])) for order in mine] == [8, 8, 8]


def test_slots_are_filled_again_in_order(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[tuple[int, int]] = []
    enter = Bank.enter

    def note(self: Bank, slot: int, seed: int, *lora: Any) -> None:
        entered.append((slot, seed))
        enter(self, slot, seed, *lora)

    monkeypatch.setattr(Bank, "enter", note)
    ours = bank(checkpoint("bert"), 2)
    # steps: 1, 3, 1, 2, 1; slot 0 takes the third and fourth while slot 1 is at its first
    sizes = (8, 24, 7, 16, 5)
    runs = [job(f"run{k}", seed=k, size=size, epochs=1) for k, size in enumerate(sizes)]
    seen, _ = watched(train(ours, runs, judges(ours), BankSettings()))
    places = [0, 1, 0, 0, 1]
    assert entered == [(p, seed_for("init", k)) for p, k in zip(places, range(5), strict=True)]
    ended = [event.run_id for event in seen if isinstance(event, RunEnd)]
    assert ended == ["run0", "run2", "run1", "run3", "run4"]
    steps = [event for event in seen if isinstance(event, Stepped)]
    assert [step.running for step in steps] == [2, 2, 2, 2]
    assert [step.examples for step in steps] == [8 + 8, 8 + 7, 8 + 8, 8 + 5]
    assert all(0 < step.fill <= 1 for step in steps)


def test_no_job_no_event(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 2)
    assert list(train(ours, [], judges(ours), BankSettings())) == []


def test_smaller_set_than_batch(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 1)
    runs = [job(size=3, batch_size=32, epochs=2, patience=9), job("one", size=1, epochs=1)]
    seen, _ = watched(train(ours, runs, judges(ours), BankSettings()))
    assert [event.examples for event in seen if isinstance(event, Stepped)] == [3, 3, 1]


def test_inference_is_in_the_order_of_the_examples(checkpoint: Checkpoint) -> None:
    ours = bank(checkpoint("bert"), 1)
    ours.enter(0, 1)
    tokens = examples(30, seed=4)
    logits = logits_of(ours, 0, Packed.of(tokens, ours))
    for index in (0, 13, 29):
        alone = Packed.of(tokens.take(np.array([index])), ours)
        np.testing.assert_allclose(
            logits[index], logits_of(ours, 0, alone)[0], rtol=1e-5, atol=1e-6
        )


def test_cross_entropy_and_probabilities_are_torchs() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 4)) * 200
    classes = labels(50, classes=4)
    theirs = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(classes))
    assert cross_entropy(logits, classes) == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(
        probabilities(logits), torch.from_numpy(logits).softmax(1), atol=1e-15
    )


@pytest.mark.parametrize(
    ("recipe", "judged"),
    [
        ({"epochs": 4}, [1, 2, 3, 4]),  # 3 steps an epoch
        ({"epochs": 2, "min_steps": 12}, [1, 2, 3, 4]),
        ({"epochs": 2, "min_steps": 6}, [1, 2]),
        ({"epochs": 2, "min_steps": 19}, [1, 2, 3, 4, 5, 6, 7]),
        ({"epochs": 2, "min_steps": 19, "evaluations": 3}, [3, 6, 7]),
        ({"epochs": 8, "evaluations": 4}, [2, 4, 6, 8]),
    ],
)
def test_a_small_set_gets_its_steps_and_is_judged_now_and_then(
    checkpoint: Checkpoint, recipe: dict[str, int], judged: list[int]
) -> None:
    ours = bank(checkpoint("bert"), 1)
    run = job(size=20, patience=50, **recipe)
    seen, _ = watched(train(ours, [run], judges(ours), BankSettings()))
    ends = [event for event in seen if isinstance(event, EpochEnd)]
    assert [event.epoch for event in ends] == judged
    assert sum(isinstance(event, Stepped) for event in seen) == 3 * judged[-1]
    assert ends[-1].learning_rate == pytest.approx(5e-3 / run.total_steps)
    (end,) = [event for event in seen if isinstance(event, RunEnd)]
    assert end.epochs == judged[-1]
    assert end.best_epoch in judged


def test_steps_of_the_plan_are_those_of_the_job() -> None:
    for size in (3, 20, 100):
        for floor in (0, 1, 50, 1000):
            run = job(size=size, epochs=2, min_steps=floor)
            assert steps_of(StudyConfig(recipe=run.recipe), size) == run.total_steps
