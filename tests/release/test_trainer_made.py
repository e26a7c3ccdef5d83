"""An adapter that PEFT and the Trainer made: DistilBERT, whose head is two layers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

import weft
from weft.errors import AdapterError, WeftError
from weft.export.card import read
from weft.export.peft import read_adapter
from weft.release.export import Wanted, export
from weft.release.usage import Target
from weft.serve.deck import open_deck

from .. import tiny

TEXTS = tiny.texts(12, seed=7)


@dataclass(frozen=True)
class Made:
    folder: Path
    base: Path
    probabilities: NDArray[np.float64]
    """Of TEXTS, by the trained model itself."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from peft import LoraConfig, get_peft_model
    from tests.export.adapters import classifier

    place = tmp_path_factory.mktemp("trainer")
    base = tiny.save(place / "distilbert", "distilbert")
    tokenizer = AutoTokenizer.from_pretrained(base)
    lora = LoraConfig(
        task_type="SEQ_CLS",
        r=4,
        lora_alpha=8,
        target_modules=["q_lin", "v_lin"],
        modules_to_save=["pre_classifier", "classifier"],
    )
    texts = tiny.texts(24, seed=2)
    rows = [
        {**tokenizer(text, return_token_type_ids=False), "labels": k % 3}
        for k, text in enumerate(texts)
    ]
    with tiny.seeded(5), tiny.quiet():
        model = get_peft_model(classifier(base), lora)
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=str(place / "runs"),
                max_steps=9,
                learning_rate=0.02,
                save_strategy="no",
                report_to="none",
                use_cpu=True,
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        trainer.save_model(str(place / "adapter"))
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        logits = model.eval()(**inputs).logits
    return Made(place / "adapter", base, logits.softmax(1).double().numpy())


def test_it_is_loaded_and_says_what_it_said(made: Made) -> None:
    assert (made.probabilities.argmax(1) != made.probabilities.argmax(1)[0]).any()
    model = weft.load(made.folder)  # its backbone is found by adapter_config.json
    np.testing.assert_allclose(model.predict_proba(TEXTS), made.probabilities, atol=1e-5)
    assert list(model.classes_) == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_its_backbone_may_have_moved(made: Made, tmp_path: Path) -> None:
    elsewhere = made.base.rename(tmp_path / "elsewhere")
    try:
        with pytest.raises(WeftError):
            weft.load(made.folder)
        model = weft.load(made.folder, backbone=str(elsewhere))
        np.testing.assert_allclose(model.predict_proba(TEXTS), made.probabilities, atol=1e-5)
    finally:
        elsewhere.rename(made.base)


def test_it_is_served(made: Made) -> None:
    deck = open_deck([f"theirs={made.folder}"])
    one = deck.adapters["theirs"]
    (rows,) = one.engine.compute([(one.place, one.engine.read(TEXTS))])
    np.testing.assert_allclose(rows, made.probabilities, atol=1e-5)


@pytest.mark.parametrize(
    "target",
    [
        "onnx",
        pytest.param("peft", marks=pytest.mark.slow),
        pytest.param("merged", marks=pytest.mark.slow),
    ],
)
def test_it_is_exported(made: Made, tmp_path: Path, target: Target) -> None:
    out = tmp_path / target
    certified = export(Wanted(made.folder, target, out, target))
    assert certified.passed
    assert certified.comparisons[0].largest_logit_difference < 1e-4
    assert certified.temperature == 1.0
    if target == "peft":
        assert read(out).labels == ("LABEL_0", "LABEL_1", "LABEL_2")
        again = weft.load(out)
        np.testing.assert_allclose(again.predict_proba(TEXTS), made.probabilities, atol=1e-5)


def test_a_head_by_another_name_is_read_and_asks_for_its_own_encoder(
    made: Made, tmp_path: Path
) -> None:
    shutil.copytree(made.folder, tmp_path / "other")
    path = tmp_path / "other" / "adapter_model.safetensors"
    tensors = load_file(path)
    names = {name: name.replace(".classifier.", ".logits_proj.") for name in tensors}
    names = {name: new.replace(".pre_classifier.", ".summary.") for name, new in names.items()}
    save_file({names[name]: tensor for name, tensor in tensors.items()}, path)
    adapter = read_adapter(tmp_path / "other")
    assert adapter.classes == 3
    assert adapter.head == ("logits_proj", "summary")
    with pytest.raises(AdapterError, match="does not fit the backbone") as refused:
        weft.load(tmp_path / "other")
    assert "logits_proj" in str(refused.value.found)
