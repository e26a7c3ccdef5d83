"""The forecast in the report: shown where it earns it, with its back-test, else refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from weft.evidence.answer import Answer
from weft.evidence.backtest import earned
from weft.evidence.ladder import Refusal
from weft.report import forecast as module
from weft.report import gather, read, write
from weft.report.forecast import accuracies, backtest, foreseen, line_of

MakeStudy = Callable[..., Path]


def test_the_ladder_is_the_ledgers_accuracies(make_predicted: MakeStudy) -> None:
    view = read(make_predicted(sizes=(250, 500), seeds_at={("lora", 500): 2}))
    scores = accuracies(view, "lora")
    own = view.runs[view.runs.method == "lora"]
    assert list(scores[250]) == list(own[own["size"] == 250].test_accuracy)
    assert np.isnan(scores[500][2])
    assert list(scores[500][:2]) == list(own[own["size"] == 500].test_accuracy)


def test_it_is_shown_with_labels_and_what_it_was_tested_on(make_predicted: MakeStudy) -> None:
    folder = make_predicted()
    found = gather(read(folder), target=0.9)
    assert found.ahead is not None
    assert isinstance(found.ahead.said, Answer)
    assert earned(found.ahead.tested)["lora"]
    said = " ".join(found.answer)
    assert "With 16,000 training examples (16,200 labels with validation)" in said
    assert "With 32,000 training examples (32,200 labels with validation)" in said
    assert "90.0 %" in said
    assert "3 forecasts from 2 shortened ladders" in said
    assert re.search(r"missed by \d\.\d points on average, and its 90 % band held .* of 3\.", said)
    write(folder, target=0.9)
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert data["target"] == 0.9
    assert data["forecast"]["at"][0]["labels"] == 16200
    assert data["forecast"]["outcome"]["kind"] in ("labels needed", "out of reach", "undecided")
    assert "90.0 %" in data["answer"]


def test_where_the_backtest_is_no_better_none_is_shown(
    make_predicted: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = read(make_predicted(methods=("lora",)))
    judge = module.judge

    def worse(cases: object) -> object:
        return [
            replace(row, low=0.0, high=1.0) if row.way == "forecast" else row
            for row in judge(cases)
        ]

    monkeypatch.setattr(module, "judge", worse)
    found = gather(view, target=0.9)
    assert found.ahead is not None
    assert isinstance(found.ahead.said, Refusal)
    assert line_of(view, found.ahead) is None
    said = " ".join(found.answer)
    assert "No forecast. Held against the sizes of this study" in said
    assert "it did no better than" in said
    assert "labels with validation" not in said
    assert "How many labels 90.0 % takes is not forecast" in said


@pytest.mark.parametrize("sizes", [(250, 1000, 4000, 8000), (250, 500, 1000, 2000, 9000)])
def test_none_is_printed_that_cannot_be_held_against_the_study(
    make_predicted: MakeStudy, sizes: tuple[int, ...]
) -> None:
    view = read(make_predicted(sizes=sizes, methods=("lora",)))
    found = gather(view, target=0.9)
    assert found.ahead is not None
    assert isinstance(found.ahead.said, Refusal)
    assert line_of(view, found.ahead) is None
    said = " ".join(found.answer)
    assert f"None is printed untested: {len(sizes)} sizes; a back-test takes 5 or more" in said
    assert "labels with validation" not in said


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ({"sizes": (250, 500, 1000)}, "needs 4 training sizes or more; here are 3"),
        ({"sizes": (250, 500, 750, 1000)}, "1,000 is 4 times 250"),
        ({"seeds": 1}, "2 seeds or more at 4 sizes"),
    ],
)
def test_what_a_study_lacks_is_said(make_predicted: MakeStudy, kinds: object, why: str) -> None:
    found = gather(read(make_predicted(methods=("lora",), **kinds)))
    said = " ".join(found.answer)
    assert "No forecast. A forecast needs" in said
    assert why in said


def test_the_backtest_cuts_the_ladder_after_each_size_from_the_fourth(
    make_predicted: MakeStudy,
) -> None:
    view = read(make_predicted())
    found = backtest(view, ["lora", "tfidf"])
    assert {one.data for one in found} == {"lora", "tfidf", "all"}
    own = next(one for one in found if (one.data, one.way) == ("lora", "last value"))
    assert (own.forecasts, own.ladders) == (3, 2)  # 250-2,000: 4,000, 8,000; 250-4,000: 8,000
    means = {size: float(np.mean(scores)) for size, scores in accuracies(view, "lora").items()}
    misses = [means[2000] - means[4000], means[2000] - means[8000], means[4000] - means[8000]]
    assert own.miss == pytest.approx(np.mean(np.abs(misses)))


def test_nothing_beyond_four_times_is_held_against_anything(make_predicted: MakeStudy) -> None:
    view = read(make_predicted(sizes=(250, 500, 1000, 2000, 9000), methods=("lora",)))
    assert backtest(view, ["lora"]) == []


def test_equal_studies_give_equal_forecasts(make_predicted: MakeStudy) -> None:
    view = read(make_predicted(methods=("lora",)))
    first, second = (foreseen(view, "lora", 0.9) for _ in range(2))
    assert isinstance(first.said, Answer)
    assert isinstance(second.said, Answer)
    np.testing.assert_array_equal(first.said.forecast.low, second.said.forecast.low)
    line = line_of(view, first)
    assert line is not None
    assert line.mean[-1] == pytest.approx(first.said.forecast.mean[-1])
    assert line.low[-1] == pytest.approx(first.said.forecast.low[-1])
