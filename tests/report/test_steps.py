"""Cells with few optimiser steps: which are marked, and what the answer adds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from weft.report import read
from weft.report.steps import FLOOR, caution, few_steps

MakeStudy = Callable[..., Path]


def test_the_shortest_run_counts_and_only_methods_with_steps(make_study: MakeStudy) -> None:
    # the third seed stops an epoch early; 8,000 examples are 250 steps an epoch
    few = few_steps(read(make_study(sizes=(50, 8000), methods=("lora", "tfidf"), epochs=5)))
    assert few == {("lora", 50): 4 * 2}


def test_runs_that_are_not_done_do_not_count(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), methods=("lora",), seeds=2, fail=("lora-50-0", "lora-50-1"))
    assert few_steps(read(folder)) == {}


def test_the_caution_names_the_sizes_of_its_method_alone() -> None:
    few = {("lora", 250): 40, ("lora", 500): 80, ("full", 1000): 160}
    said = caution(few, "lora", (250, 500, 1000))
    assert said.startswith("Few steps: from 250 to 500 examples LoRA took 40 to 80 optimiser steps")
    assert f"--min-steps {FLOOR}" in said
    assert caution(few, "full", (1000,)).startswith("Few steps: at 1,000 examples full fine-tuning")
    assert caution(few, "lora", (1000,)) == ""
    assert caution(few, "probe", (250,)) == ""
