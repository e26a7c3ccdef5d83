"""The answer in words: what it may claim from which figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from weft.report import Gathered, StudyView, gather, read
from weft.report.answer import answer, chosen
from weft.report.comparisons import compared
from weft.report.steps import FLOOR

MakeStudy = Callable[..., Path]


def study_of(**accuracies: dict[int, list[float]]) -> StudyView:
    """Done runs: per method and size the accuracies of seeds, on test and validation alike."""
    rows: list[dict[str, Any]] = []
    for method, by_size in accuracies.items():
        for size, values in by_size.items():
            for seed, value in enumerate(values):
                row = {"run_id": f"{method}{size}{seed}", "method": method, "size": size}
                row |= {"seed": seed, "status": "done"}
                rows.append(row | {"test_accuracy": value, "validation_accuracy": value})
    return StudyView(Path("nowhere"), {}, pd.DataFrame(rows), pd.DataFrame())


def first(found: Gathered) -> str:
    return found.answer[0]


def said_of(view: StudyView) -> str:
    """The first paragraph where no run's predictions are there."""
    return answer(view, chosen(view), {}, compared({}), None, {}, None)[0]


def test_a_gain_whose_interval_excludes_zero(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(250, 2000), methods=("lora",))))
    step = found.compared.step("lora", 250, 2000)
    assert step is not None
    assert step.told_apart
    low, high = step.adjusted_low, step.adjusted_high
    said = first(found)
    assert said.startswith("More labels were still helping: from 250 to 2,000 training examples")
    gain = f"{100 * step.difference.estimate:.1f}"
    assert f"LoRA rises by {gain} points ({100 * low:.1f} to {100 * high:.1f})" in said
    before, after = (100 * value for value in found.table["test_accuracy"])
    assert f"from {before:.1f} % to {after:.1f} %" in said
    assert "noise" not in said


def test_a_step_that_is_not_told_apart_is_undecided(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(4000, 8000), methods=("lora",), rises=0.0)))
    assert first(found).startswith("Undecided:")
    assert "not told apart on these 600 test examples" in first(found)


def test_a_fall(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(250, 2000), methods=("lora",), rises=-0.06)))
    assert first(found).startswith("More labels did not help")
    assert re.search(r"falls by \d\.\d points \(\d\.\d to \d\.\d\)", first(found))


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_training_noise_is_said_not_to_be_measured(
    make_predicted: MakeStudy, seeds: int
) -> None:
    found = gather(read(make_predicted(sizes=(250, 2000), methods=("lora",), seeds=seeds)))
    number = "1 shared seed" if seeds == 1 else "2 shared seeds"
    assert f"Training noise not measured ({number}): other seeds may do otherwise." in first(found)


def test_seeds_that_one_size_lacks_are_left_out_and_said(make_predicted: MakeStudy) -> None:
    folder = make_predicted(
        sizes=(250, 2000), methods=("lora",), seeds=5, seeds_at={("lora", 2000): 3}, spread=0.03
    )
    assert "over the 3 seeds that both sizes have" in first(gather(read(folder)))


def test_one_size_cannot_answer(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(800,), methods=("lora",))))
    cell = found.judged["lora", 800].recipe.accuracy
    assert cell.low is not None
    assert cell.high is not None
    score = f"{100 * cell.estimate:.1f} % ({100 * cell.low:.1f} to {100 * cell.high:.1f})"
    assert f"the test accuracy of LoRA is {score}." in first(found)
    assert "cannot be said from one size" in first(found)
    alone = gather(read(make_predicted("one", sizes=(800,), methods=("lora",), seeds=1)))
    assert "training noise not measured" in first(alone)


def test_without_predictions_no_gain_is_claimed() -> None:
    said = said_of(study_of(lora={50: [0.5, 0.5, 0.5], 100: [0.9, 0.9, 0.9]}))
    assert said.startswith("Undecided: from 50 to 100 training examples")
    assert "rises by 40.0 points, from 50.0 % to 90.0 %. No interval can be given" in said


def test_only_the_two_largest_sizes_count() -> None:
    said = said_of(study_of(lora={10: [0.1, 0.9], 1000: [0.80, 0.81], 8000: [0.85, 0.86]}))
    assert "from 1,000 to 8,000 training examples" in said
    assert "10 " not in said.replace("1000", "")


def test_validation_chooses_the_method_and_test_does_not() -> None:
    view = study_of(lora={50: [0.7, 0.7], 100: [0.8, 0.8]}, probe={50: [0.6, 0.6], 100: [0.7, 0.7]})
    view.runs.loc[view.runs.method == "probe", "validation_accuracy"] = 0.95
    said = said_of(view)
    assert "of the linear probe (best mean validation accuracy at 100)" in said
    assert "from 60.0 % to 70.0 %" in said


def test_the_best_is_sought_at_the_largest_size_and_lora_wins_a_tie() -> None:
    who = chosen(
        study_of(lora={50: [0.9, 0.9], 100: [0.7, 0.7]}, tfidf={50: [0.5, 0.5], 100: [0.8, 0.8]})
    )
    assert who is not None
    assert (who.method, who.sizes, who.alone) == ("tfidf", (50, 100), False)
    tied = chosen(study_of(tfidf={50: [0.8, 0.8]}, lora={50: [0.7, 0.9]}))
    assert tied is not None
    assert tied.method == "lora"


def test_of_one_method_there_is_no_best() -> None:
    assert "best mean" not in said_of(study_of(tfidf={50: [0.5, 0.51], 100: [0.6, 0.61]}))


def test_nothing_done_and_random_weights(make_predicted: MakeStudy) -> None:
    view = study_of(lora={50: [0.7]})
    view.runs["status"] = "failed"
    assert said_of(view) == "No run is done yet, so there is nothing to say."
    folder = make_predicted(sizes=(50, 100), facts={"random_weights": True})
    found = gather(read(folder), target=0.9)
    assert len(found.answer) == 1
    assert "random" in found.answer[0]
    assert not re.search(r"\d", found.answer[0])
    assert (found.looks, found.judged, found.compared.family.comparisons) == (0, {}, ())


def test_a_target_without_a_forecast(make_predicted: MakeStudy) -> None:
    view = read(make_predicted(sizes=(4000, 8000), methods=("lora",), epochs=6))
    met, open_ = gather(view, 0.5).answer[-1], gather(view, 0.99).answer[-1]
    assert met.startswith("50.0 % is met: LoRA scores")
    assert open_.startswith("How many labels 99.0 % takes is not forecast: LoRA scores")


def test_few_steps_are_said_where_the_answer_rests_on_them(make_predicted: MakeStudy) -> None:
    view = read(make_predicted(sizes=(250, 1000, 4000), methods=("lora",), epochs=2))
    assert (
        gather(view)
        .answer[-1]
        .startswith(
            "Few steps: from 250 to 4,000 examples LoRA took 16 to 250 optimiser steps, fewer than "
            f"{FLOOR}."
        )
    )
    longer = read(make_predicted("longer", sizes=(4000, 8000), methods=("lora",), epochs=6))
    assert not any("Few steps" in said for said in gather(longer).answer)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_it_never_claims_significance(make_predicted: MakeStudy, seeds: int) -> None:
    said = " ".join(gather(read(make_predicted(seeds=seeds)), 0.9).answer)
    assert not re.search(r"significan|confiden|prove|certain", said)
