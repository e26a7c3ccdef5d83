"""Many fits in one bank: each with its own texts, recipe, adapter and validation set.

What a bank holds together are runs over one encoder with one number of classes. They may differ in
learning rate, batch size, epochs, patience, weight decay and clipping; in rank, alpha, dropout and
targets of the adapter (`Bank.adapt`); in the examples that train and select; in weights and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal, cast

from torch import Tensor, nn

from weft.config import LoraSettings, Recipe, StudyConfig
from weft.data.examples import Examples
from weft.export import card
from weft.export.bitfit import save_biases
from weft.export.peft import backbone_card, save_adapter
from weft.methods import banked
from weft.methods.base import Done, Item, Materials, Probabilities
from weft.methods.calibrated import calibration_of
from weft.methods.predictor import Predictor
from weft.nn.bank import Bank
from weft.nn.shapes import Update, hull, target_names, usual_targets
from weft.text.tokens import tokenize
from weft.training.events import RunEnd, RunFailed
from weft.training.inference import Packed, logits_of, probabilities
from weft.training.loop import train
from weft.training.slots import Job, Judges

Together = Literal["lora", "bitfit"]
"""The methods whose runs share a bank."""


@dataclass(frozen=True)
class Task:
    """One fit to be made beside others."""

    run_id: str
    config: StudyConfig
    """Its recipe and adapter; the encoder is that of the materials."""
    materials: Materials
    """May be shared by tasks on the same examples, so that these are tokenised once."""
    seed: int


@dataclass(frozen=True)
class Made:
    """A finished fit; its predictor computes with the bank that trained it, and keeps it alive."""

    done: Done
    predictor: Predictor

    def write(self, folder: Path) -> None:
        """Saves the model and its temperature into an existing folder."""
        self.done.save(folder)
        card.write(folder, self.predictor.card)


def train_together(
    method: Together,
    tasks: Sequence[Task],
    watch: Callable[[object], None] = lambda _: None,
) -> dict[str, Made | RunFailed]:
    """Trains all tasks through one bank, by run id; those with the most steps enter first.

    Args:
        tasks: over one encoder, read in one way, with the same number of classes; the first one's
            settings say how many slots the bank has.
        watch: told of the training events.

    Raises:
        ConfigError: no layer of the encoder bears a name that an adapter asks for.
        BackboneError: the encoder cannot be had or trained.
    """
    shared, settings = tasks[0].materials, tasks[0].config.bank
    backbone = shared.backbone()
    update: Update = "biases"
    if method == "lora":
        model = cast("nn.Module", backbone.model)
        for task in tasks:  # what has no target is refused before anything trains
            target_names(model, task.config.lora, backbone.fresh)
        usual = usual_targets(model)
        update = hull([task.config.lora for task in tasks], usual)
    bank = Bank(backbone, update, min(settings.slots, len(tasks)), device=settings.device)
    judges: dict[int, Judges] = {}
    jobs: list[Job] = []
    for task in tasks:
        task.materials.tokenise_as(shared)
        if id(task.materials) not in judges:
            judges[id(task.materials)] = banked.judges(task.materials, bank)
        jobs.append(_job(method, task, judges[id(task.materials)]))
    jobs.sort(key=lambda job: -job.total_steps)
    by_id = {task.run_id: task for task in tasks}
    lock, made = Lock(), dict[str, Made | RunFailed]()
    for event in train(bank, jobs, None, settings):
        watch(event)
        if isinstance(event, RunFailed):
            made[event.run_id] = event
        elif isinstance(event, RunEnd):
            made[event.run_id] = _made(method, bank, by_id[event.run_id], event, lock)
    return made


def _job(method: Together, task: Task, judges: Judges) -> Job:
    config, materials = task.config, task.materials
    recipe: Recipe = config.recipe
    if method == "bitfit":
        recipe = recipe.model_copy(update={"learning_rate": config.bitfit.learning_rate})
    item = Item(task.run_id, len(materials.splits.pool), task.seed)
    job = banked.job(materials, method, recipe, item)
    return replace(job, judges=judges, lora=config.lora if method == "lora" else None)


def _made(method: Together, bank: Bank, task: Task, end: RunEnd, lock: Lock) -> Made:
    lora = task.config.lora if method == "lora" else None

    def save(bank: Bank, state: Mapping[str, Tensor], folder: Path) -> None:
        if lora is None:
            save_biases(folder, bank, state)
        else:
            save_adapter(folder, bank, state, lora)

    done = banked.done(bank, end, save, {})
    written = card.ModelCard(
        method=method,
        labels=task.materials.labels,
        positive=task.materials.positive,
        backbone=backbone_card(bank.backbone),
        calibration=calibration_of(done, task.materials.splits.validation.labels),
    )
    return Made(done, Predictor(written, _computer(bank, end.state, lora, lock)))


def _computer(
    bank: Bank, state: Mapping[str, Tensor], lora: LoraSettings | None, lock: Lock
) -> Callable[[Examples], Probabilities]:
    """Computes with the bank's first slot, into which the run's weights are put each time."""

    def compute(texts: Examples) -> Probabilities:
        backbone = bank.backbone
        tokens = tokenize(backbone.tokenizer, texts.texts, texts.pairs, backbone.max_length)
        packed = Packed.of(tokens, bank)
        with lock:
            if lora is not None:
                bank.adapt(0, lora)
            bank.load_state(0, state)
            return probabilities(logits_of(bank, 0, packed))

    return compute
