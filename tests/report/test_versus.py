"""Studies side by side: paired where the test examples agree, and said where they do not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from weft.cli.outcome import print_versus
from weft.report import gather, read, versus, write_versus
from weft.report.page import versus_page
from weft.report.page.versus_charts import versus_charts
from weft.report.results import versus_markdown
from weft.report.versus import Versus

from .pages import changed, labels, words

MakeStudy = Callable[..., Path]


def both(*folders: Path) -> Versus:
    return versus([gather(read(folder)) for folder in folders])


def test_equal_test_examples_are_paired(make_predicted: MakeStudy) -> None:
    one = make_predicted("one", sizes=(250, 1000), examples=200)
    two = make_predicted("two", sizes=(250, 1000), examples=200, rises=0.05)
    found = both(one, two)
    assert found.apart == ("", "")
    assert len(found.family.comparisons) == 4
    for comparison in found.family.comparisons:
        (name, size), (other, there) = comparison.first, comparison.second
        assert (name, other) in (("LoRA of two", "LoRA of one"), ("TF-IDF of two", "TF-IDF of one"))
        assert size == there
        place = name.split()[0].lower().replace("-", ""), size
        ours, theirs = (own.every[place].answers.correct for own in reversed(found.studies))
        assert np.isclose(comparison.difference.estimate, (ours - theirs).mean())
    best = [own.best for own in found.studies]
    assert all(one is not None for one in best)
    right = [one.run.test.probabilities.argmax(1) == one.run.test.labels for one in best]
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = binomtest(min(alone), sum(alone)).pvalue
    said = versus_markdown(found)
    assert f"alone is right on {alone[0]} test example" in said
    assert f"alone on {alone[1]}: McNemar's exact p = {p:.2g}." in said
    page = words(versus_page(found))
    assert "LoRA of two beats LoRA of one at 250 examples" in page
    assert sum("mean of 3 seeds" in said for said in labels(versus_page(found))) == 8


def test_other_examples_are_not_paired(
    make_predicted: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    one = make_predicted("one", sizes=(250,), examples=200)
    fewer = make_predicted("fewer", sizes=(250,), examples=100)
    facts = changed(made_up_facts, hashes={"other.csv": "00" * 32})
    other = make_predicted("other", sizes=(250,), examples=200, facts=facts)
    found = both(one, fewer, other)
    assert found.family.comparisons == ()
    assert "test examples differ" in found.apart[1]
    assert "no file of data in common" in found.apart[2]
    said = versus_markdown(found)
    assert "fewer is not paired with one: their test examples differ." in said


def test_written_as_page_and_markdown(make_predicted: MakeStudy, tmp_path: Path) -> None:
    one = make_predicted("one", sizes=(250,), seeds=1, examples=60)
    (tmp_path / "b").mkdir()
    found = both(one, one)
    assert found.names[0].startswith("1: "), "two of one name go by their paths"
    page, markdown = write_versus(found, tmp_path / "out")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "## Scores" in markdown.read_text(encoding="utf-8")


GRID = {f"learning_rate=0.00{k}": 0.0 for k in (7, 3, 9, 1, 8, 2)}


def test_rows_stand_as_the_grid_was_planned(make_predicted: MakeStudy) -> None:
    """Not by how names are hashed, which differs from process to process."""
    folder = make_predicted(sizes=(250, 500), seeds=1, examples=60, tried={"lora": GRID})
    planned = [*(f"lora ({name})" for name in GRID), "tfidf"]
    wanted = [(name, size) for size in (250, 500) for name in planned]
    assert both(folder, folder).places == wanted


def test_intervals_without_training_noise_are_marked(make_predicted: MakeStudy) -> None:
    three = make_predicted("three", sizes=(250,), methods=("lora",), examples=200)
    two = make_predicted("two", sizes=(250,), methods=("lora",), seeds=2, examples=200)
    said = versus_markdown(both(three, two))
    assert "| size | method | three | two | seeds, three | seeds, two |" in said
    test, validation = (line for line in said.splitlines() if "| 3 | 2" in line)
    assert test.endswith(r"| 3 | 2\* |")
    assert validation.endswith("| 3 | 2 |")
    assert r"\* Fewer than 3 seeds: training noise not measured" in said
    assert "A difference is over the seeds that both have" in said
    assert "Fewer than" not in versus_markdown(both(three, three))


def test_why_nothing_is_paired_where_test_is_the_same(
    make_predicted: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_predicted("plain", sizes=(250,), methods=("lora",), seeds=1, examples=60)
    tried = {"lora": {"r=4": 0.0, "r=8": 0.01}}
    grid = make_predicted("grid", sizes=(250,), methods=("lora",), examples=60, tried=tried)
    larger = make_predicted("larger", sizes=(500,), methods=("lora",), seeds=1, examples=60)
    other = make_predicted("other", sizes=(250,), methods=("tfidf",), seeds=1, examples=60)
    found = both(plain, grid, larger, other)
    assert found.family.comparisons == ()
    assert found.apart == (
        "",
        "no method with the same settings on the grid is in both",
        "no method with the same settings on the grid was run at the same size in both",
        "no method is in both",
    )
    said = versus_markdown(found)
    sentence = f"grid is not paired with plain: {found.apart[1]}."
    assert sentence in said
    print_versus(found, [])
    assert sentence in capsys.readouterr().out
    assert said.count("McNemar's exact p") == 3, "the chosen models are of one test all the same"


def test_a_study_without_runs_is_told_from_one_without_predictions(
    make_study: MakeStudy, make_predicted: MakeStudy
) -> None:
    one = make_predicted("one", sizes=(250,), methods=("lora",), seeds=1, examples=60)
    bare = make_study("bare", sizes=(50,), seeds=1, methods=("lora",))
    begun = make_study("begun", sizes=(50,), seeds=1, methods=("lora",), leave=("lora-50-0",))
    assert both(one, begun, bare).apart == (
        "",
        "no run of begun is done",
        "the predictions of bare's best run cannot be read",
    )
    assert both(begun, one).apart[1] == "no run of begun is done"


def test_studies_stand_apart_in_a_narrow_panel(make_predicted: MakeStudy) -> None:
    sizes = (250, 1000, 4000)
    names = ("one", "two", "three")
    folders = [make_predicted(name, sizes=sizes, seeds=1, examples=60) for name in names]
    for chart in versus_charts(both(*folders)):
        at = [[dot.x for dot in series.dots if dot.shape == "mean"] for series in chart.series]
        for first, second in pairwise(at):
            assert all(b - a > 4.9 for a, b in zip(first, second, strict=True))
        assert all(0 < x < 100 for own in at for x in own)
        assert max(own[0] for own in at) < min(own[1] for own in at)


def test_settings_that_differ_are_words(
    make_predicted: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    configs = ({"methods": ["lora", "tfidf"], "bank": True}, {"methods": ["lora"], "target": 0.9})
    folders = [
        make_predicted(
            f"study{k}",
            sizes=(250,),
            seeds=1,
            examples=60,
            facts={**made_up_facts, "config": {"bank": False, "target": None, **config}},
        )
        for k, config in enumerate(configs)
    ]
    said = versus_markdown(both(*folders))
    assert "- **settings that differ**: bank yes, methods lora and tfidf, target unset" in said
    assert "- **settings that differ**: bank no, methods lora, target 0.9" in said


def test_markdown_says_where_the_curves_are(make_predicted: MakeStudy) -> None:
    one = make_predicted("one", sizes=(250,), seeds=1, examples=60)
    found = both(one, one)
    said = versus_markdown(found)
    assert "## Learning curves\n\n`comparison.html` draws them" in said
    assert "draws them" not in words(versus_page(found))
