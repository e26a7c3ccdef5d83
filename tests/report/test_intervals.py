"""Intervals in table, page, data files and figure: whose they are, and when there is none."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weft.evidence.intervals import accuracy_interval, adapter_accuracy
from weft.report import gather, read, write
from weft.report.scaling import draw_sizes
from weft.report.style import styled
from weft.study.predictions import read_probabilities

MakeStudy = Callable[..., Path]


def right(folder: Path, run_id: str) -> np.ndarray:
    test = read_probabilities(folder / "runs" / run_id / "predictions.parquet")["test"]
    return (test.probabilities.argmax(axis=1) == test.labels).astype(float)


def test_a_cell_has_the_recipes_interval_and_a_run_its_own(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500,), methods=("lora",))
    found = gather(read(folder))
    answers = np.stack([right(folder, f"lora-500-{seed}") for seed in range(3)])
    cell = found.judged["lora", 500]
    assert cell.recipe.accuracy == accuracy_interval(answers)
    (row,) = found.table.to_dict("records")
    assert row["test_accuracy_low"] == cell.recipe.accuracy.low
    assert row["test_f1_high"] == cell.recipe.f1.high
    assert row["interval_covers"] == "seeds and test examples"
    for seed in range(3):
        own = found.adapters[f"lora-500-{seed}"]
        assert own.accuracy == adapter_accuracy(answers[seed])
        assert own.f1.offered


def test_estimates_are_the_tables_means(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(500,))))
    for row in found.table.to_dict("records"):
        recipe = found.judged[row["method"], row["size"]].recipe
        for name in ("accuracy", "f1", "loss"):
            assert getattr(recipe, name).estimate == pytest.approx(row[f"test_{name}"])


def test_a_cell_with_a_run_that_cannot_be_read_has_none(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500,))
    (folder / "runs" / "lora-500-1" / "predictions.parquet").unlink()
    found = gather(read(folder))
    assert list(found.judged) == [("tfidf", 500)]
    assert np.isnan(found.table.test_accuracy_low[0])
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| 500 | lora | 3 |"))
    assert " to " not in line


def test_the_files_have_them(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500, 1000), seeds=2, epochs=1)
    write(folder)
    found = gather(read(folder))
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    cell, size = found.judged["lora", 500].recipe, data["sizes"][0]
    for name in ("accuracy", "f1", "loss"):
        interval = getattr(cell, name)
        assert size["test"][name]["low"] == interval.low
        assert size["test"][name]["high"] == interval.high
        assert "low" not in size["validation"][name]
    assert size["interval_covers"] == "test examples only: training noise not measured"
    assert size["few_steps"] == 16
    assert (data["interval_level"], data["test_looked_at"]) == (0.95, 8)
    own = found.adapters["lora-500-0"]
    run = next(run for run in data["runs"] if run["run_id"] == "lora-500-0")
    assert run["test"]["intervals"]["f1"] == [own.f1.low, own.f1.high]
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["run_id"] == "lora-500-0")
    for name in ("accuracy", "f1", "loss"):
        assert float(row[f"test_{name}_low"]) == getattr(own, name).low
        assert float(row[f"test_{name}_high"]) == getattr(own, name).high


def test_the_page_says_what_the_intervals_are(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500, 8000), seeds_at={("lora", 8000): 2}, epochs=6)
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    small = next(line for line in lines if line.startswith("| 500 | lora |"))
    large = next(line for line in lines if line.startswith("| 8,000 | lora | 2 |"))
    assert small.endswith("| few steps (96) |")
    assert large.endswith("| training noise not measured |")
    interval = gather(read(folder)).judged["lora", 500].recipe.accuracy
    assert interval.low is not None
    assert interval.high is not None
    assert f" % ({100 * interval.low:.1f} to {100 * interval.high:.1f}) |" in small
    assert "Test was looked at by 11 runs (2 settings); choosing used validation alone." in page
    assert "this one saved model's own score" in page


def test_a_score_without_an_interval_says_why(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(500,), methods=("lora",), rises=-1.0)
    write(folder)
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert "Where none is given: no interval: F1 did not vary" in page


def test_the_figure_has_bars_forecast_and_target(make_predicted: MakeStudy) -> None:
    folder = make_predicted()
    found = gather(read(folder), target=0.93)
    assert found.ahead is not None
    with styled():
        (panel,) = draw_sizes(found).axes
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels[:3] == ["lora", "tfidf", "95 % interval"]
    assert "lora, forecast with 90 % band" in labels
    assert labels[-1] == "target, 93.0 %"
    interval = found.judged["lora", 250].recipe.accuracy
    assert any(list(line.get_ydata()) == [interval.low, interval.high] for line in panel.lines)
    dotted = next(line for line in panel.lines if line.get_linestyle() == ":")
    assert max(dotted.get_xdata()) == pytest.approx(4 * 8000)
    ticks = [tick.get_text() for tick in panel.get_xticklabels()]
    assert ticks[-2:] == ["16,000", "32,000"]
