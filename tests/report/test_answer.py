"""The one sentence: what it may claim from which figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from weft.report import read
from weft.report.answer import answer

MakeStudy = Callable[..., Path]


def runs(**accuracies: dict[int, list[float]]) -> pd.DataFrame:
    """Done runs: per method and size the accuracies of seeds, on test and validation alike."""
    rows: list[dict[str, Any]] = []
    for method, by_size in accuracies.items():
        for size, values in by_size.items():
            for seed, value in enumerate(values):
                row = {"run_id": f"{method}{size}{seed}", "method": method, "size": size}
                row |= {"seed": seed, "status": "done"}
                rows.append(row | {"test_accuracy": value, "validation_accuracy": value})
    return pd.DataFrame(rows)


def test_a_step_larger_than_the_seed_spread() -> None:
    said = answer(runs(lora={50: [0.70, 0.72], 100: [0.80, 0.81]}), {})
    assert said.startswith("More labels were still helping: from 50 to 100 labels")
    assert "rises by 9.5 points, from 71.0 % to 80.5 %" in said
    assert "more than the 2.0 points by which seeds lie apart" in said
    assert "no interval" in said
    assert "beyond 100 is not measured" in said


def test_a_step_within_the_seed_spread_is_undecided() -> None:
    said = answer(runs(lora={50: [0.70, 0.76], 100: [0.74, 0.78]}), {})
    assert said.startswith("Undecided:")
    assert "within the 6.0 points" in said


def test_a_fall_larger_than_the_seed_spread() -> None:
    said = answer(runs(lora={50: [0.80, 0.81], 100: [0.70, 0.71]}), {})
    assert said.startswith("More labels did not help")
    assert "falls by 10.0 points" in said


def test_no_step_at_all() -> None:
    said = answer(runs(lora={50: [0.8, 0.8], 100: [0.8, 0.8]}), {})
    assert said.startswith("Undecided: the mean test accuracy of lora is 80.0 % at 50 labels")


def test_one_seed_is_undecided_however_large_the_step() -> None:
    said = answer(runs(lora={50: [0.5], 100: [0.9]}), {})
    assert said.startswith("Undecided:")
    assert "one seed" in said


def test_one_seed_at_one_of_the_two_sizes_is_said() -> None:
    said = answer(runs(lora={50: [0.70, 0.72], 100: [0.90]}), {})
    assert said.startswith("More labels were still helping")
    assert "at 100 there is one seed only" in said


def test_only_the_two_largest_sizes_count() -> None:
    said = answer(runs(lora={10: [0.1, 0.9], 1000: [0.80, 0.81], 8000: [0.85, 0.86]}), {})
    assert "from 1,000 to 8,000 labels" in said
    assert "10 labels" not in said


def test_one_size_cannot_answer() -> None:
    said = answer(runs(lora={800: [0.8, 0.9]}), {})
    assert "cannot be said from one size" in said
    assert "85.0 %, and its 2 seeds lie 10.0 points apart" in said
    assert "with one seed" in answer(runs(lora={800: [0.8]}), {})


def test_validation_chooses_the_method_and_test_does_not() -> None:
    table = runs(lora={50: [0.7, 0.7], 100: [0.8, 0.8]}, probe={50: [0.6, 0.6], 100: [0.7, 0.7]})
    table.loc[table.method == "probe", "validation_accuracy"] = 0.95
    said = answer(table, {})
    assert "of probe (best mean validation accuracy at 100)" in said
    assert "from 60.0 % to 70.0 %" in said


def test_the_best_is_sought_at_the_largest_size() -> None:
    table = runs(lora={50: [0.9, 0.9], 100: [0.7, 0.7]}, tfidf={50: [0.5, 0.5], 100: [0.8, 0.8]})
    assert "of tfidf (best" in answer(table, {})


def test_baselines_alone_will_do() -> None:
    said = answer(runs(tfidf={50: [0.5, 0.51], 100: [0.6, 0.61]}), {})
    assert "accuracy of tfidf rises" in said
    assert "best mean" not in said  # of one method there is no best


def test_nothing_done_and_random_weights() -> None:
    table = runs(lora={50: [0.7]})
    table["status"] = "failed"
    assert answer(table, {}) == "No run is done yet, so there is nothing to say."
    said = answer(runs(lora={50: [0.7], 100: [0.8]}), {"random_weights": True})
    assert "random" in said
    assert not re.search(r"\d", said)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_it_never_claims_significance(make_study: MakeStudy, seeds: int) -> None:
    view = read(make_study(seeds=seeds, epochs=1))
    said = answer(view.runs, view.facts)
    assert not re.search(r"significan|confiden|prove|certain", said)
    assert 1 <= len(re.findall(r"[.] |[.]$", said)) <= 2
