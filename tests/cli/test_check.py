"""`weft check` as its user sees it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from tests.cli.command import process, reviews, weft, write_csv

TELLTALE = "an odd and telling sentence that stands in two places"
OUTSIDE = """
import sys
from weft.cli import main
sys.argv = ["weft", "check", "reviews.csv"]
try:
    main()
finally:
    print(sorted({"torch", "transformers", "peft"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `shop` with splits that share texts, and a text with two labels."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = reviews(60)
    write_csv(folder / "train.csv", [*rows, (TELLTALE, "pos"), ("torn apart", "pos")])
    write_csv(folder / "dev.csv", [(f"{TELLTALE} at least", "pos"), ("torn apart", "neg")])
    write_csv(folder / "test.csv", [(TELLTALE.upper(), "pos"), ("nothing of the kind", "neg")])
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("leaky")
def test_findings_are_told_and_are_no_failure() -> None:
    said = weft("check", "shop")
    assert (said.code, said.err) == (0, "")
    for heading in ("Repeats", "Text shared with train", "Conflicting labels", "What may be done"):
        assert heading in said.out
    assert re.search(r"^test examples that repeat one of train\s+1\s+0$", said.out, re.MULTILINE)
    assert re.search(r"^do either\s+2 \(100%\)\s+1 \(50%\)$", said.out, re.MULTILINE), said.out
    assert re.search(
        r"^share a run of >= 4 tokens with train\s+1 \(50%\)\s+1 \(50%\)$", said.out, re.MULTILINE
    )
    assert "1 texts bear several labels (1 in train, 1 in validation)" in said.out
    assert re.search(f"train 62 +pos: {TELLTALE}", said.out), said.out  # as editors count lines
    assert "--validation disjoint drops the 2 train examples" in said.out


@pytest.mark.usefixtures("leaky")
def test_a_disjoint_split_is_checked_as_such() -> None:
    said = weft("check", "shop", "--validation", "disjoint")
    assert said.code == 0, said.err
    assert "Disjoint: 2 of 62 train examples" in said.out
    assert re.search(r"^do either\s+0 \(0%\)\s+0 \(0%\)$", said.out, re.MULTILINE), said.out


@pytest.mark.usefixtures("leaky")
def test_json_and_a_file_hold_the_same() -> None:
    said = weft("check", "shop", "--json", "--out", "kept/found.json")
    assert (said.code, said.err) == (0, "")
    tree = json.loads(said.out)
    assert tree == json.loads(Path("kept/found.json").read_text(encoding="utf-8"))
    assert (tree["schema"], tree["label_errors"]) == (1, None)
    assert [leak["either"] for leak in tree["audit"]["leaks"]] == [2, 1]
    assert tree["settings"]["validation"] == "random"
    said = weft("check", "shop", "-o", "found.json")
    assert said.out.endswith("\nWritten  found.json\n")


@pytest.mark.usefixtures("leaky")
def test_markup_in_texts_is_shown_as_it_stands() -> None:
    rows = [*reviews(60), ("[bold]odd[/] [red]", "pos"), ("[bold]odd[/] [red]", "neg")]
    write_csv(Path("odd.csv"), rows)
    said = weft("check", "odd.csv")
    assert said.code == 0, said.err
    assert "[bold]odd[/] [red]" in said.out


@pytest.mark.usefixtures("fresh")
def test_it_loads_no_torch_unless_labels_are_looked_at() -> None:
    said = process(sys.executable, "-c", OUTSIDE, cwd=Path.cwd())
    assert said.code == 0, said.err
    assert said.err.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("method", ["lora", "probe"])
def test_likely_label_errors(method: str) -> None:
    words = ("--backbone", "tiny", "--precision", "float32", "--epochs", "2", "--batch-size", "8")
    by = ("--labels", "--labels-by", method, "--labels-size", "60")
    said = weft("check", "reviews.csv", *words, *by, "--out", "found.json")
    assert said.code == 0, said.err
    assert f"60 of 84 train examples, 5-fold by {method}" in said.out
    assert "looking for wrong labels" in said.err
    assert len(re.findall(r"done fold \d", said.err)) == (5 if method == "lora" else 0)
    errors = json.loads(Path("found.json").read_text(encoding="utf-8"))["label_errors"]
    assert (errors["examined"], errors["folds"]) == (60, 5)
    assert len(errors["suspects"]) >= errors["flagged"]
    lines = Path("reviews.csv").read_text(encoding="utf-8").splitlines()
    for one in errors["suspects"]:
        text, label = lines[one["row"]["line"] - 1].split(",")
        assert (text, label) == (one["row"]["text"], one["row"]["label"])


@pytest.mark.usefixtures("fresh")
def test_data_that_cannot_be_read_are_refused() -> None:
    said = weft("check", "nowhere.csv")
    assert (said.code, said.out) == (2, "")
    assert "remedy: " in said.err
