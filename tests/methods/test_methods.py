"""The methods side by side: what each is given, what each gives back and saves."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests import tiny
from tests.cli.command import reviews, tree, write_csv
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from weft.config import StudyConfig
from weft.errors import AdapterError, BackboneError
from weft.methods import Materials, make
from weft.methods.base import Before, Done, Item
from weft.methods.lora import Lora
from weft.methods.predictor import load_predictor
from weft.nn.bank import Bank
from weft.nn.source import find
from weft.study.presets import resolve
from weft.study.runner import open_data
from weft.training.events import EpochEnd, RunFailed, Stepped
from weft.training.slots import Job

METHODS = ("lora", "bitfit", "full", "probe", "tfidf")
STEPPED = ("lora", "bitfit", "full")
ITEMS = [Item("small", 16, 0), Item("large", 32, 0), Item("other", 32, 1)]


class Place:
    """Reviews and a tiny encoder, and the materials of a study of them."""

    def __init__(self, folder: Path) -> None:
        self.data = write_csv(folder / "reviews.csv", reviews())
        self.encoder = tiny.save(folder / "tiny", "bert")

    def config(self, **over: Any) -> StudyConfig:
        backbone = {"name": str(self.encoder), "precision": "float32"}
        recipe = {"epochs": 2, "batch_size": 8}
        tree = {"sizes": [16, 32], "backbone": backbone, "recipe": recipe}
        return resolve(str(self.data), tree | over)

    def materials(self, **over: Any) -> Materials:
        config = self.config(**over)
        opened = open_data(config)
        labels, positive = opened.data.label_names, opened.data.positive
        return Materials(config, opened.splits, labels, positive, find(config.backbone))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("methods"))


def ends(name: str, materials: Materials, items: Sequence[Item] = ITEMS) -> dict[str, Done]:
    events = list(make(name, materials).run(items))
    return {event.run_id: event for event in events if isinstance(event, Done)}


@pytest.mark.parametrize("name", METHODS)
def test_every_item_ends_once_with_all_that_is_asked(place: Place, name: str) -> None:
    materials = place.materials()
    events = list(make(name, materials).run(ITEMS))
    done = [event for event in events if isinstance(event, Done)]
    assert sorted(event.run_id for event in done) == ["large", "other", "small"]
    for event in done:
        for rows in (event.validation, event.test):
            assert rows.shape == (18, 2)
            assert np.allclose(rows.sum(axis=1), 1)
        assert 0 < event.trainable <= event.total
        assert event.seconds > 0
        assert event.examples_per_second > 0
    epochs = [event for event in events if isinstance(event, EpochEnd)]
    assert len(epochs) == (6 if name in STEPPED else 0)
    assert any(isinstance(event, Stepped) for event in events) == (name in STEPPED)


@pytest.mark.parametrize("name", METHODS)
def test_company_and_order_do_not_matter(place: Place, name: str) -> None:
    """Together equals alone; in the bank to the tolerance of its products."""
    together = ends(name, place.materials())
    alone = ends(name, place.materials(), [ITEMS[2]])["other"]
    assert np.allclose(together["other"].test, alone.test, atol=1e-4)
    backwards = ends(name, place.materials(), ITEMS[::-1])
    for run_id, one in together.items():
        assert np.allclose(backwards[run_id].test, one.test, atol=1e-4)


def test_a_run_that_fails_does_not_touch_the_others(place: Place) -> None:
    class OneFails(Lora):
        def _job(self, item: Item) -> Job:
            job = super()._job(item)
            if item.run_id != "other":
                return job
            return replace(job, recipe=job.recipe.model_copy(update={"learning_rate": 1e30}))

    events = list(OneFails(place.materials()).run([*ITEMS, Item("late", 16, 1)]))
    (failed,) = (event for event in events if isinstance(event, RunFailed))
    assert failed.run_id == "other"
    assert "a lower learning rate usually helps" in failed.reason
    done = {event.run_id: event for event in events if isinstance(event, Done)}
    sound = ends("lora", place.materials(), [ITEMS[0], ITEMS[1], Item("late", 16, 1)])
    assert done.keys() == sound.keys()
    for run_id, one in sound.items():
        assert np.allclose(done[run_id].test, one.test, atol=1e-4)


def test_a_slot_that_a_failed_run_left_is_clean(place: Place) -> None:
    """One slot: the next run sits where weights became infinite."""

    class FirstFails(Lora):
        def _job(self, item: Item) -> Job:
            job = super()._job(item)
            if item.run_id != "large":
                return job
            return replace(job, recipe=job.recipe.model_copy(update={"learning_rate": 1e30}))

    one = {"bank": {"slots": 1}}
    events = list(FirstFails(place.materials(**one)).run(ITEMS[:2]))
    assert [event.run_id for event in events if isinstance(event, RunFailed)] == ["large"]
    (done,) = (event for event in events if isinstance(event, Done))
    alone = ends("lora", place.materials(**one), ITEMS[:1])["small"]
    assert np.array_equal(done.test, alone.test)


@pytest.mark.parametrize("name", METHODS)
def test_seeds_and_sizes_give_other_models(place: Place, name: str) -> None:
    done = ends(name, place.materials())
    assert not np.allclose(done["large"].test, done["small"].test, atol=1e-6)
    assert not np.allclose(done["large"].test, done["other"].test, atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", METHODS)
def test_what_is_saved_predicts_what_was_tested(
    place: Place, tmp_path: Path, name: str, pooling: str
) -> None:
    backbone = {"name": str(place.encoder), "precision": "float32", "pooling": pooling}
    materials = place.materials(backbone=backbone)
    done = ends(name, materials, ITEMS[1:2])["large"]
    done.save(tmp_path)
    predictor = load_predictor(tmp_path)
    assert predictor.card.labels == ("neg", "pos")
    rows = predictor.probabilities(materials.splits.test.texts)
    assert np.allclose(rows, done.test, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_equal_runs_save_equal_bytes(place: Place, tmp_path: Path, name: str) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        ends(name, place.materials(), ITEMS[:1])["small"].save(folder)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_probes_features_are_the_encoders_own(place: Place, pooling: str) -> None:
    from weft.methods.probe import features

    backbone = {"name": str(place.encoder), "precision": "float32", "pooling": pooling}
    materials = place.materials(backbone=backbone)
    ours = features(Bank(materials.backbone(), materials.config.lora, slots=1), materials.test)
    model = AutoModel.from_pretrained(place.encoder).eval()
    tokenizer = AutoTokenizer.from_pretrained(place.encoder)
    for row, text in zip(ours, materials.splits.test.texts, strict=True):
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        theirs = hidden.mean(0) if pooling == "mean" else hidden[0]
        assert np.allclose(row, theirs.numpy(), atol=1e-5)


def test_a_probe_counts_its_coefficients(place: Place) -> None:
    done = ends("probe", place.materials(), ITEMS[:1])["small"]
    assert done.trainable == 32 + 1  # two classes need one row
    whole = sum(p.numel() for p in AutoModel.from_pretrained(place.encoder).parameters())
    assert done.total == whole + 33


def test_a_probe_tells_what_its_features_took(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for all its runs, however many; in `exact` those of train are in each run's seconds."""
    from weft.methods import probe

    features = probe.features

    def slow(bank: Bank, tokens: Any) -> Any:
        time.sleep(0.2)
        return features(bank, tokens)

    monkeypatch.setattr(probe, "features", slow)
    materials = place.materials()
    train = len({int(k) for item in ITEMS for k in materials.splits.order(item.seed)[: item.size]})
    done = list(ends("probe", materials).values())
    told = {(one.extra["features_seconds"], one.extra["features_texts"]) for one in done}
    ((seconds, texts),) = told
    assert texts == train + 18 + len(materials.splits.test)
    assert seconds > 0.6
    assert max(one.seconds for one in done) < 0.2 + seconds
    (exact,) = ends("probe", place.materials(bank={"exact": True}), ITEMS[:1]).values()
    assert exact.extra["features_texts"] == texts - train
    assert exact.seconds > 0.2


def test_tfidf_needs_no_encoder(place: Place) -> None:
    config = place.config()
    opened = open_data(config)
    materials = Materials(config, opened.splits, ("neg", "pos"), None, None)
    done = ends("tfidf", materials, ITEMS[:1])["small"]
    assert done.trainable == done.total
    assert done.extra["C"] in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own
def test_an_adapter_counts_as_peft_does_and_says_so(place: Place, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    done = ends("lora", place.materials(), ITEMS[:1])["small"]
    base = AutoModelForSequenceClassification.from_pretrained(place.encoder)
    lora = LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query", "value"])
    trainable, total = get_peft_model(base, lora).get_nb_trainable_parameters()
    assert (done.trainable, done.extra["peft_total"]) == (trainable, total)
    assert done.total == total - (2 * 32 + 2)  # the head's frozen original, counted twice there
    done.save(tmp_path)
    card = json.loads((tmp_path / "weft.json").read_text(encoding="utf-8"))
    assert card["backbone"]["sha256"] == find(place.config().backbone).sha256


def test_texts_are_tokenised_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.text import tokens

    seen: list[str] = []
    tokenize = tokens.tokenize

    def spy(*given: Any) -> Any:
        seen.extend(given[1])
        return tokenize(*given)

    monkeypatch.setattr(tokens, "tokenize", spy)
    materials = place.materials()
    for name in METHODS:
        ends(name, materials)
    splits = materials.splits
    drawn = np.unique(np.concatenate([splits.order(i.seed)[: i.size] for i in ITEMS]))
    used = [*splits.pool.take(drawn).texts, *splits.validation.texts, *splits.test.texts]
    assert sorted(seen) == sorted(used)


def test_all_is_trained_or_the_biases_are(place: Place) -> None:
    whole = AutoModelForSequenceClassification.from_pretrained(place.encoder, num_labels=2)
    sizes = {name: p.numel() for name, p in whole.named_parameters()}
    everything = sum(sizes.values())
    full = ends("full", place.materials(), ITEMS[:1])["small"]
    assert full.trainable == full.total == everything
    bitfit = ends("bitfit", place.materials(), ITEMS[:1])["small"]
    trained = ("bias", "classifier.weight")
    assert bitfit.trainable == sum(n for name, n in sizes.items() if name.endswith(trained))
    assert bitfit.total == everything


def test_a_rate_of_its_own(place: Place) -> None:
    """Neither heeds the recipe's; each heeds its own."""
    for name in ("bitfit", "full"):
        one = ends(name, place.materials(), ITEMS[:1])["small"]
        recipe = {"epochs": 2, "batch_size": 8, "learning_rate": 0.3}
        same = ends(name, place.materials(recipe=recipe), ITEMS[:1])["small"]
        assert np.array_equal(one.test, same.test)
        other = place.materials(**{name: {"learning_rate": 5e-3}})
        assert not np.allclose(ends(name, other, ITEMS[:1])["small"].test, one.test)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_whole_model_is_one_of_transformers(place: Place, tmp_path: Path, pooling: str) -> None:
    """Loaded by transformers alone, from the folder alone."""
    backbone = {"name": str(place.encoder), "precision": "float32", "pooling": pooling}
    materials = place.materials(backbone=backbone)
    done = ends("full", materials, ITEMS[:1])["small"]
    done.save(tmp_path)
    kind = AutoModel if pooling == "mean" else AutoModelForSequenceClassification
    model, info = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not [name for name in info["missing_keys"] if not name.startswith("pooler")]
    assert not info["unexpected_keys"]
    assert model.config.id2label == {0: "neg", 1: "pos"}
    assert model.config.label2id == {"neg": 0, "pos": 1}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for row, text in zip(done.test, materials.splits.test.texts, strict=True):
        with torch.no_grad():
            output = model(**tokenizer(text, return_tensors="pt"))
        if pooling == "mean":
            head = load_file(tmp_path / "head.safetensors")
            mean = output.last_hidden_state.mean(1)
            logits = mean @ head["classifier.weight"].T + head["classifier.bias"]
        else:
            logits = output.logits
        assert np.allclose(row, logits.softmax(-1)[0].numpy(), atol=1e-5)
    assert "weft" not in (tmp_path / "config.json").read_text(encoding="utf-8")


def test_a_whole_model_needs_no_backbone_and_takes_none(place: Place, tmp_path: Path) -> None:
    ends("full", place.materials(), ITEMS[:1])["small"].save(tmp_path)
    with pytest.raises(AdapterError, match="is whole") as caught:
        load_predictor(tmp_path, str(place.encoder))
    assert "leave out --backbone" in caught.value.remedy


def test_a_whole_model_without_its_head_is_refused(place: Place, tmp_path: Path) -> None:
    backbone = {"name": str(place.encoder), "precision": "float32", "pooling": "mean"}
    ends("full", place.materials(backbone=backbone), ITEMS[:1])["small"].save(tmp_path)
    save_file({"classifier.weight": torch.zeros(2, 8)}, tmp_path / "head.safetensors")
    with pytest.raises(AdapterError, match=r"head in .* is damaged"):
        load_predictor(tmp_path)
    (tmp_path / "head.safetensors").unlink()
    with pytest.raises(AdapterError, match=r"head in .* is damaged"):
        load_predictor(tmp_path)


def test_biases_are_saved_alone_and_fit_their_backbone_only(place: Place, tmp_path: Path) -> None:
    done = ends("bitfit", place.materials(), ITEMS[:1])["small"]
    done.save(tmp_path)
    tensors = load_file(tmp_path / "bitfit.safetensors")
    assert sum(tensor.numel() for tensor in tensors.values()) == done.trainable
    assert {name for name in tensors if not name.endswith(".bias")} == {"classifier.weight"}
    other = tiny.save(tmp_path / "other", "bert", seed=1)
    with pytest.raises(AdapterError, match="other weights") as caught:
        load_predictor(tmp_path, str(other))
    assert "--backbone" in caught.value.remedy
    other = tiny.save(tmp_path / "third", "distilbert")
    with pytest.raises(AdapterError, match=r"this model has not|other weights"):
        load_predictor(tmp_path, str(other))
    (tmp_path / "bitfit.safetensors").write_bytes(b"no weights")
    with pytest.raises(AdapterError, match="damaged"):
        load_predictor(tmp_path)


def test_an_encoder_without_biases_is_refused_in_words(tmp_path: Path) -> None:
    encoder = tiny.save_any(tmp_path / "modern", "modernbert")
    with pytest.raises(BackboneError, match="BitFit cannot train ModernBert") as caught:
        Bank(tiny.backbone(encoder), "biases", 1)
    assert "leave bitfit out" in caught.value.remedy


def test_a_probe_computes_features_for_what_was_made_before_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts that are computed together round together: the company must not depend on a break."""
    from weft.methods import probe

    seen: list[int] = []
    features = probe.features

    def spy(bank: Bank, tokens: Any) -> Any:
        seen.append(len(tokens))
        return features(bank, tokens)

    monkeypatch.setattr(probe, "features", spy)
    materials = place.materials()
    whole = ends("probe", materials)
    together, seen[:] = seen.copy(), []
    before = Before(made=ITEMS[:2])
    events = list(make("probe", materials).run(ITEMS[2:], before))
    assert seen == together
    (done,) = (event for event in events if isinstance(event, Done))
    np.testing.assert_array_equal(done.test, whole["other"].test)
