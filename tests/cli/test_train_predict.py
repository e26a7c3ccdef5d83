"""`weft train`, then `weft predict` with what it made, in every form of MODEL and of texts."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from tests.cli.command import Said, weft, write_csv

from weft.study.choice import best_run

TEXTS = ["a good film, and loved", 'the "plot" was bad', "é bright story 世界"]
SMALL = ["--backbone", "tiny", "--epochs", "1", "--batch-size", "8", "--precision", "float32"]

pytestmark = pytest.mark.usefixtures("no_figures")


def table_of(said: Said) -> list[dict[str, str]]:
    """The CSV that a prediction printed, checked for what every row of one must hold."""
    assert said.code == 0, said.err
    rows = list(csv.DictReader(io.StringIO(said.out)))
    for row in rows:
        shares = {
            name.removeprefix("p:"): float(row[name]) for name in row if name.startswith("p:")
        }
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert shares[row["label"]] == float(row["probability"]) == max(shares.values())
    return rows


@pytest.fixture(scope="module")
def model(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter trained by the command line, whose encoder has an absolute path."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    words = ["--backbone", str(shop / "tiny"), *SMALL[2:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shop)
        said = weft("train", "reviews.csv", *words, "--out", folder)
    assert said.code == 0, said.err
    return folder


# Training


@pytest.mark.usefixtures("fresh")
def test_a_classifier_is_trained_on_all_labels_and_its_study_lies_beside_it() -> None:
    said = weft("train", "reviews.csv", *SMALL, "-o", "m")
    assert said.code == 0, said.err
    assert "test accuracy " in said.out
    assert "validation, which chose the epoch" in said.out
    assert 'weft predict m "your own sentence"' in said.out
    card = json.loads(Path("m/weft.json").read_text(encoding="utf-8"))
    assert card["method"] == "lora"
    (run,) = json.loads(Path("m/study/results.json").read_text(encoding="utf-8"))["runs"]
    assert (run["method"], run["size"], run["seed"]) == ("lora", 84, 0)
    for name in ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json"):
        assert (Path("m") / name).is_file()


@pytest.mark.parametrize("method", ["probe", "tfidf"])
@pytest.mark.usefixtures("fresh")
def test_another_method_and_size(method: str) -> None:
    words = ("--method", method, "--size", "40", "-o", "m", "--json", "-q")
    said = weft("train", "reviews.csv", *SMALL, *words)
    assert (said.code, said.err) == (0, "")
    (run,) = json.loads(said.out)["runs"]
    assert (run["method"], run["size"]) == (method, 40)
    assert len(table_of(weft("predict", "m", *TEXTS))) == 3


@pytest.mark.usefixtures("fresh")
def test_a_fit_that_did_not_converge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--method", "tfidf", "--size", "40", "-o", "m", "-q")
    said = weft("train", "reviews.csv", *SMALL, *words)
    assert "validation, which chose the penalty: " in said.out
    assert "converged" not in said.out
    monkeypatch.setattr("weft.methods.logistic.ITERATIONS", 1)
    said = weft("train", "reviews.csv", *SMALL, *words[:-2], "n", "-q")
    assert said.code == 0, said.err
    assert "\nNot converged: its logistic regression took all" in said.out


@pytest.mark.parametrize("methods", [("tfidf", "probe"), ("probe", "tfidf")])
@pytest.mark.usefixtures("fresh")
def test_the_model_is_the_one_asked_for_whatever_was_trained_before(
    methods: tuple[str, str],
) -> None:
    for method in methods:
        said = weft("train", "reviews.csv", *SMALL, "--method", method, "-o", "m")
        assert said.code == 0, said.err
    card = json.loads(Path("m/weft.json").read_text(encoding="utf-8"))
    assert card["method"] == methods[-1]
    names = {path.name for path in Path("m").iterdir()}
    assert names.isdisjoint({"tfidf": {"probe.safetensors"}, "probe": {"tfidf.safetensors"}}[
        methods[-1]
    ])  # fmt: skip


def test_several_methods_are_no_method(fresh: Path) -> None:
    said = weft("train", "reviews.csv", *SMALL, "--method", "probe,tfidf")
    assert said.code == 2
    assert "weft-model" not in {path.name for path in fresh.iterdir()}


@pytest.mark.usefixtures("fresh")
def test_a_failed_training_is_1_and_leaves_no_model() -> None:
    said = weft("train", "reviews.csv", *SMALL, "--learning-rate", "1e30", "-o", "m")
    assert said.code == 1
    assert "results.md" in said.err
    assert not Path("m/weft.json").exists()


# Texts


def test_words_on_the_command_line(model: Path) -> None:
    rows = table_of(weft("predict", model, *TEXTS))
    assert [row["text"] for row in rows] == TEXTS
    assert list(rows[0]) == ["text", "label", "probability", "p:neg", "p:pos"]


@pytest.fixture(scope="module")
def expected(model: Path) -> list[dict[str, str]]:
    return table_of(weft("predict", model, *TEXTS))


def test_lines_of_standard_input(model: Path, expected: list[dict[str, str]]) -> None:
    said = weft("predict", model, stdin="\n".join(["", *TEXTS, "  ", ""]))
    assert table_of(said) == expected


def test_only_line_breaks_end_a_line_of_standard_input(model: Path) -> None:
    texts = ["one\u2028line", "a\x0bpage\x0cbreak"]
    rows = table_of(weft("predict", model, stdin="\n".join(texts)))
    assert [row["text"] for row in rows] == texts


def test_no_text_at_all_gives_the_heading_alone(model: Path) -> None:
    said = weft("predict", model, stdin="")
    assert table_of(said) == []
    assert said.out == "text,label,probability,p:neg,p:pos\n"
    assert weft("predict", model, "--json", stdin="") == Said(0, "", "")


@pytest.mark.parametrize("kind", ["txt", "csv", "tsv", "jsonl"])
def test_files(model: Path, tmp_path: Path, expected: list[dict[str, str]], kind: str) -> None:
    path = tmp_path / f"texts.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "sentence"], *enumerate(TEXTS)])
    else:
        lines = {
            "txt": TEXTS,
            "tsv": ["id\tsentence", *(f"{k}\t{text}" for k, text in enumerate(TEXTS))],
            "jsonl": [json.dumps({"id": k, "sentence": text}) for k, text in enumerate(TEXTS)],
        }[kind]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert table_of(weft("predict", model, "--file", path)) == expected


def test_a_column_by_name(model: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [("good film", "bad plot")], "text,other")
    rows = table_of(weft("predict", model, "-f", path, "--text", "other"))
    assert [row["text"] for row in rows] == ["bad plot"]
    said = weft("predict", model, "-f", path, "--text", "absent")
    assert said.code == 2
    assert "'other'" in said.err


@pytest.mark.parametrize("option", [("--format", "jsonl"), ("--json",)])
def test_json_lines(model: Path, expected: list[dict[str, str]], option: tuple[str, ...]) -> None:
    said = weft("predict", model, *TEXTS, *option)
    assert said.code == 0, said.err
    for line, row in zip(said.out.splitlines(), expected, strict=True):
        read = json.loads(line)
        assert list(read) == ["text", "label", "probability", "probabilities"]
        assert (read["text"], read["label"]) == (row["text"], row["label"])
        for name, share in read["probabilities"].items():
            assert share == float(row[f"p:{name}"])
    assert "世界" in said.out


def test_texts_and_a_file_are_too_much(model: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [("good",)], "text")
    said = weft("predict", model, "good", "--file", path)
    assert (said.code, said.out) == (2, "")
    assert "both" in said.err


# Models


def test_a_studys_best_and_a_studys_run(study: Path) -> None:
    key, _ = best_run(study)
    best = table_of(weft("predict", f"{study}:best", *TEXTS))
    assert table_of(weft("predict", f"{study}:{key.run_id}", *TEXTS)) == best
    folder = study / "runs" / key.run_id / "adapter"
    assert table_of(weft("predict", folder, *TEXTS)) == best


@pytest.mark.parametrize("method", ["lora", "probe", "tfidf"])
def test_each_run_predicts_as_it_did_in_the_study(study: Path, method: str) -> None:
    from weft.data.sources import load
    from weft.study.predictions import read_predictions
    from weft.study.presets import resolve

    (run,) = (study / "runs").glob(f"{method}-32-1-*")
    test = load(resolve("reviews.csv", {}).data).test
    assert test is not None
    labels, sure = read_predictions(run / "predictions.parquet", "test")
    rows = table_of(weft("predict", f"{study}:{run.name}", *test.texts, "--raw"))
    assert [row["label"] for row in rows] == list(labels)
    for row, share in zip(rows, sure, strict=True):
        assert float(row["probability"]) == pytest.approx(float(share), abs=1e-5)


def test_the_temperature_is_used_unless_raw(study: Path) -> None:
    (run,) = (study / "runs").glob("tfidf-32-1-*")
    path = run / "adapter" / "weft.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["calibration"]["temperature"] = 4.0
    path.write_text(json.dumps(card), encoding="utf-8")
    name = f"{study}:{run.name}"
    warm, raw = (
        table_of(weft("predict", name, *TEXTS)),
        table_of(weft("predict", name, *TEXTS, "--raw")),
    )
    assert [row["label"] for row in warm] == [row["label"] for row in raw]
    for ours, theirs in zip(warm, raw, strict=True):
        cooled = float(theirs["p:pos"]) ** 0.25
        other = float(theirs["p:neg"]) ** 0.25
        assert float(ours["p:pos"]) == pytest.approx(cooled / (cooled + other), abs=1e-4)
        assert float(ours["probability"]) < float(theirs["probability"])


def test_answers_of_a_wanted_precision_are_marked(study: Path) -> None:
    (run,) = (study / "runs").glob("tfidf-32-1-*")
    said = weft("predict", f"{study}:{run.name}", *TEXTS, "--target-precision", "0.5")
    assert "assured: 'pos' at a probability of" in said.err
    rows = table_of(Said(said.code, said.out, ""))
    assert list(rows[0]) == ["text", "label", "probability", "assured", "p:neg", "p:pos"]
    assert [row["assured"] for row in rows] == ["true", "false", "false"]
    lines = weft("predict", f"{study}:{run.name}", *TEXTS, "--target-precision", "0.5", "--json")
    assert [json.loads(line)["assured"] for line in lines.out.splitlines()] == [True, False, False]


def test_a_precision_that_nothing_can_prove_is_refused(model: Path) -> None:
    """The copy of a model has no validation; its study beside it is named."""
    said = weft("predict", model, "good", "--target-precision", "0.5")
    assert (said.code, said.out) == (2, "")
    assert f"{model}/study:best" in said.err
    said = weft("predict", model, "good", "--target-precision", "0.5", "--raw")
    assert said.code == 2
    assert "leave out one of them" in said.err
    said = weft("predict", model, "good", "--target-precision", "95")
    assert said.code == 2
    assert "between 0 and 1" in said.err


def test_an_unknown_run_is_refused_with_those_there_are(study: Path) -> None:
    said = weft("predict", f"{study}:lora-7", "good")
    assert (said.code, said.out) == (1, "")
    assert "has no run lora-7" in said.err
    assert "lora-16-0-" in said.err


def test_a_run_without_a_model_is_refused(study: Path) -> None:
    (run,) = (study / "runs").glob("lora-32-1-*")
    shutil.rmtree(run)
    said = weft("predict", f"{study}:{run.name}", "good")
    assert (said.code, said.out) == (2, "")
    assert "remedy: " in said.err


@pytest.mark.parametrize(
    ("name", "code", "part"),
    [
        ("nowhere", 2, "there is no folder nowhere"),
        ("nowhere:best", 1, "There is no study in nowhere"),
        ("empty", 2, "holds no saved model"),
        ("empty:best", 1, "There is no study in empty"),
        ("reviews.csv", 2, "there is no folder reviews.csv"),
    ],
)
@pytest.mark.usefixtures("fresh")
def test_what_is_no_model_is_refused(name: str, code: int, part: str) -> None:
    Path("empty").mkdir()
    said = weft("predict", name, "good")
    assert (said.code, said.out) == (code, "")
    assert part in said.err
    assert "remedy: " in said.err


@pytest.mark.usefixtures("fresh")
def test_the_encoder_may_have_moved() -> None:
    assert weft("train", "reviews.csv", *SMALL, "--method", "probe", "-o", "m").code == 0
    before = table_of(weft("predict", "m", *TEXTS))
    Path("tiny").rename("elsewhere")
    said = weft("predict", "m", *TEXTS)
    assert said.code == 2
    assert "tiny" in said.err
    assert table_of(weft("predict", "m", *TEXTS, "--backbone", "elsewhere")) == before


@pytest.mark.usefixtures("fresh")
def test_another_encoder_is_refused() -> None:
    from tests import tiny

    assert weft("train", "reviews.csv", *SMALL, "--method", "probe", "-o", "m").code == 0
    tiny.save(Path("other"), "bert", seed=3)
    said = weft("predict", "m", "good", "--backbone", "other")
    assert said.code == 2
    assert "trained on other weights" in said.err


# Pairs


@pytest.mark.parametrize("method", ["lora", "tfidf"])
@pytest.mark.usefixtures("fresh")
def test_pairs(method: str) -> None:
    words = ("good", "bad")
    pairs = [
        (f"film {a} was {a}", f"plot {b} is {b}", "same" if a == b else "other")
        for _ in range(15)
        for a in words
        for b in words
    ]
    write_csv(Path("pairs.csv"), pairs, "premise,hypothesis,label")
    said = weft("train", "pairs.csv", *SMALL, "--method", method, "--text", "premise",
                "--text-pair", "hypothesis", "-o", "m")  # fmt: skip
    assert said.code == 0, said.err
    write_csv(Path("new.csv"), [pair[:2] for pair in pairs[:3]], "premise,hypothesis")
    columns = ("--text", "premise", "--text-pair", "hypothesis")
    rows = table_of(weft("predict", "m", "--file", "new.csv", *columns))
    assert list(rows[0]) == ["text", "text_pair", "label", "probability", "p:other", "p:same"]
    assert [(row["text"], row["text_pair"]) for row in rows] == [pair[:2] for pair in pairs[:3]]
    swapped = ("--text", "hypothesis", "--text-pair", "premise")
    other = table_of(weft("predict", "m", "--file", "new.csv", *swapped))
    if method == "lora":  # which text comes first matters to an encoder
        assert [row["p:same"] for row in other] != [row["p:same"] for row in rows]
