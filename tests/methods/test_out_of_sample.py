"""K-fold in one bank: every example is read by the model that has not seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny
from tests.cli.command import reviews, write_csv

from weft.errors import TrainingError
from weft.methods import Materials, out_of_sample
from weft.methods.out_of_sample import folds_of
from weft.nn.bank import Bank
from weft.nn.source import find
from weft.study.presets import resolve
from weft.study.runner import open_data
from weft.training.events import RunEnd, Stepped
from weft.training.inference import Packed
from weft.training.kept import Kept
from weft.training.loop import train
from weft.training.slots import Job, Judges


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds")
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


def materials(place: Path, **recipe: Any) -> Materials:
    over = {
        "backbone": {"name": str(place / "tiny"), "precision": "float32"},
        "recipe": {"epochs": 2, "batch_size": 8, **recipe},
        "sizes": [32],
    }
    config = resolve(str(place / "reviews.csv"), over)
    opened = open_data(config)
    splits = replace(opened.splits, pool=opened.splits.train(40, 0))
    data = opened.data
    return Materials(config, splits, data.label_names, data.positive, find(config.backbone))


def test_folds_are_even_in_every_class() -> None:
    labels = np.array([0] * 23 + [1] * 11 + [2] * 3)
    fold = folds_of(labels, 5, "set")
    assert sorted(set(fold.tolist())) == [0, 1, 2, 3, 4]
    for one in (0, 1, 2):
        counts = np.bincount(fold[labels == one], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert (fold == folds_of(labels, 5, "set")).all()
    assert (fold != folds_of(labels, 5, "other")).any()


def test_each_fold_is_read_by_the_adapter_that_left_it_out(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against each fold's run alone, whose test set is what it leaves out."""
    given = materials(place)
    jobs: list[Job] = []

    def spy(bank: Bank, some: list[Job], *rest: Any) -> Any:
        assert bank.slots == 3
        jobs.extend(some)
        return train(bank, some, *rest)

    monkeypatch.setattr(out_of_sample, "train", spy)
    found = out_of_sample.out_of_sample("lora", given, 3, lambda _: None)
    assert np.allclose(found.sum(axis=1), 1)
    labels = given.splits.pool.labels
    fold = folds_of(labels, 3, given.splits.name)
    config = given.config
    for number, job in enumerate(jobs):
        held_out = np.flatnonzero(fold == number)
        assert len(job.labels) == 40 - len(held_out)
        bank = Bank(given.backbone(), config.lora, 1)
        test = Packed.of(given.pool.take(held_out), bank)
        judges = Judges(Packed.of(given.validation, bank), given.splits.validation.labels, test)
        events = train(bank, [job], judges, config.bank)
        (end,) = (event for event in events if isinstance(event, RunEnd))
        assert np.allclose(found[held_out], end.test, atol=1e-4)


@pytest.mark.parametrize("method", ["lora", "probe"])
def test_a_label_of_its_own_does_not_sway_an_examples_probabilities(
    place: Path, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = materials(place)
    fold = folds_of(given.splits.pool.labels, 4, given.splits.name)
    monkeypatch.setattr(out_of_sample, "folds_of", lambda *_: fold)
    before = out_of_sample.out_of_sample(method, given, 4, lambda _: None)
    changed = given.splits.pool.labels.copy()
    changed[fold == 2] = 1 - changed[fold == 2]
    pool = replace(given.splits.pool, labels=changed)
    data = replace(given.splits, pool=pool)
    other = Materials(given.config, data, given.labels, given.positive, find(given.config.backbone))
    after = out_of_sample.out_of_sample(method, other, 4, lambda _: None)
    assert np.allclose(before[fold == 2], after[fold == 2], atol=1e-4)
    assert not np.allclose(before[fold != 2], after[fold != 2], atol=1e-4)


def test_a_fold_that_cannot_be_trained_is_said(place: Path) -> None:
    with pytest.raises(TrainingError, match="of 3 could not be trained") as caught:
        out_of_sample.out_of_sample("lora", materials(place, learning_rate=1e30), 3, lambda _: None)
    assert "--learning-rate" in caught.value.remedy


def stopped_at(place: Path, folder: Path, number: int, *, signalled: bool) -> None:
    """Folds that fall, or are asked to stop, after so many steps; their state is always due."""
    left, ticks = [number], iter(range(0, 10**6, 61))

    def fall(event: object) -> None:
        left[0] -= isinstance(event, Stepped)
        if left[0] == 0 and not signalled:
            raise RuntimeError("the power went")

    asked = lambda: signalled and left[0] <= 0  # noqa: E731
    kept = Kept(folder, asked, clock=lambda: 0.0 if signalled else float(next(ticks)))
    with pytest.raises(KeyboardInterrupt if signalled else RuntimeError):
        out_of_sample.out_of_sample("lora", materials(place), 3, fall, kept)


@pytest.mark.parametrize("signalled", [True, False])
@pytest.mark.parametrize("number", [3, 7])
def test_stopped_folds_go_on_bit_for_bit(
    place: Path, tmp_path: Path, number: int, signalled: bool
) -> None:
    steps = [0, 0]

    def count(which: int) -> Callable[[object], None]:
        def take(event: object) -> None:
            steps[which] += isinstance(event, Stepped)

        return take

    whole = out_of_sample.out_of_sample("lora", materials(place), 3, count(0))
    stopped_at(place, tmp_path, number, signalled=signalled)
    told: list[str] = []
    if not signalled:  # a newer state that is torn does not count, nor is it kept for the next
        newest = max(tmp_path.glob("*.safetensors"))
        (tmp_path / f"99999999-{newest.stem.split('-')[1]}.safetensors").write_bytes(b"torn")
    kept = Kept(tmp_path, lambda: False, told.append)
    rest = out_of_sample.out_of_sample("lora", materials(place), 3, count(1), kept)
    assert (rest == whole).all()
    assert steps[1] == steps[0] - number + (not signalled)
    assert ["torn or altered" in line for line in told] == [True] * (not signalled)
    assert not list(tmp_path.glob("99999999-*"))
    kept.clear()
    assert not list(tmp_path.iterdir())
