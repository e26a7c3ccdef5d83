"""`weft export`: a study's best model, what its card says of it, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tests.cli.command import weft

from weft.release import certificate
from weft.study.ledger import Ledger

pytestmark = pytest.mark.usefixtures("no_figures")


def best_lora(study: Path) -> str:
    """An adapter, whatever validation thinks of it."""
    (run,) = (study / "runs").glob("lora-32-1-*")
    return f"{study}:{run.name}"


def test_a_run_of_a_study(study: Path) -> None:
    name = best_lora(study)
    said = weft("export", name, "--to", "onnx", "-o", "out", "--license", "mit")
    assert said.code == 0, said.err
    assert said.out.startswith("certificate passed: on 256 texts")
    assert 'use         onnxruntime.InferenceSession("out/model.onnx")' in said.out
    with Ledger(study / "ledger.sqlite", readonly=True) as ledger:
        outcome = ledger.outcome(name.rpartition(":")[2])
    assert outcome is not None
    card = ModelCard.load("out/README.md")
    assert card.data.license == "mit"
    results = {one.metric_type: one for one in card.data.eval_results or []}
    assert results["accuracy"].metric_value == pytest.approx(outcome.test.accuracy, abs=1e-6)
    low, high = (results["accuracy"].metric_args or {})["interval_95"]
    assert low < outcome.test.accuracy < high
    assert results["accuracy"].dataset_split == "test"
    assert "none of which trained it or chose anything" in card.text
    assert "reviews.csv" in card.text, "the data's hash stands there"
    made = json.loads(Path("out/certificate.json").read_text(encoding="utf-8"))
    assert made["source"].startswith("validation and test of reviews, ")
    assert str(Path.cwd()) not in card.text
    assert str(Path.cwd()) not in json.dumps(made)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
def test_a_model_that_train_made_finds_its_study() -> None:
    words = ["--backbone", "tiny", "--epochs", "1", "--batch-size", "8", "--precision", "float32"]
    assert weft("train", "reviews.csv", *words, "-o", "m", "-q").code == 0
    said = weft("export", "m", "--to", "onnx", "-o", "out", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["source"].startswith("validation and test of reviews")
    assert "Test accuracy of this very model" in Path("out/README.md").read_text(encoding="utf-8")


def test_one_that_fails_its_tolerance_is_1_and_is_not_pushed(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[Path] = []
    monkeypatch.setattr("weft.release.push.push", lambda folder, *_, **__: pushed.append(folder))
    strict = certificate.Tolerance(logits=1e-12, labels=1.0)
    monkeypatch.setattr("weft.release.export.FLOAT", strict)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    said = weft("export", best_lora(study), "--to", "onnx", "-o", "out", "--push", "me/model")
    assert said.code == 1
    assert "certificate FAILED" in said.out
    assert "does not compute what the model computes" in said.err
    assert not pushed
    assert "out is as it was" in said.err
    assert not Path("out").exists()


@pytest.mark.slow
def test_one_that_passes_is_pushed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[tuple[str, str, bool]] = []

    def push(folder: Path, repo: str, *, private: bool) -> str:
        pushed.append((str(folder), repo, private))
        return "https://example.org/me/model/commit/abc"

    monkeypatch.setattr("weft.release.push.push", push)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    words = ("--to", "onnx", "-o", "out", "--push", "me/model", "--private")
    said = weft("export", best_lora(study), *words)
    assert said.code == 0, said.err
    assert pushed == [("out", "me/model", True)]
    assert "commit/abc" in said.out
    assert 'snapshot_download("me/model")' in Path("out/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        ("a/b/c", "hf_secret", "is no name of a repository"),
        ("model", "hf_secret", "no owner"),
        ("me/model", "", "no token"),
    ],
)
def test_a_push_that_cannot_be_is_refused_before_any_work(
    name: str, token: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("weft.release.export.export", work)
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    refused = weft("export", "model", "--to", "peft", "--push", name)
    assert refused.code == 2
    assert said in refused.err


def test_what_is_no_model_is_2(study: Path) -> None:
    assert weft("export", "nowhere", "--to", "onnx").code == 2
    (run,) = (study / "runs").glob("tfidf-32-1-*")
    said = weft("export", f"{study}:{run.name}", "--to", "merged")
    assert said.code == 2
    assert "counts words" in said.err


@pytest.mark.slow
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_end_of_the_command_loads_what_it_wrote(pooling: str) -> None:
    from transformers import pipeline

    words = ["--backbone", "tiny", "--epochs", "1", "--batch-size", "8", "--precision", "float32"]
    assert weft("train", "reviews.csv", *words, "--pooling", pooling, "-o", "m", "-q").code == 0
    said = weft("export", "m", "--to", "merged", "-o", "out")
    assert said.code == 0, said.err
    (line,) = [line for line in said.out.splitlines() if line.startswith("use ")]
    assert ("trust_remote_code=True" in line) == (pooling == "mean")
    classify = eval(line.removeprefix("use").strip(), {"pipeline": pipeline})
    assert classify("dull, but kind")[0]["label"] in ("pos", "neg")
