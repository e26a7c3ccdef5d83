"""Studies side by side: paired where the test examples agree, and said where they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from weft.report import gather, read, versus, write_versus
from weft.report.page import versus_page
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
