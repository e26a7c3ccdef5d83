"""The summary's means and spreads, and how they look in a terminal and in Markdown."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

import pytest
from rich.console import Console

from weft.api import Result
from weft.cli.outcome import print_result
from weft.report import gather, read
from weft.report.convergence import unconverged
from weft.report.features import features_sentence
from weft.report.markdown import code, markdown_table, plain, to_markdown
from weft.report.sections.scores import cost_parts, score_parts
from weft.report.steps import FLOOR
from weft.report.tables import render, render_costs, summary
from weft.study.ledger import Ledger

MakeStudy = Callable[..., Path]


def test_means_and_spreads_are_those_of_the_ledger(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 100), methods=("lora", "tfidf"))
    table = summary(read(folder).runs).set_index(["size", "method"])
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        for (size, method), row in table.iterrows():
            outcomes = [ledger.outcome(f"{method}-{size}-{seed}") for seed in range(3)]
            for split in ("test", "validation"):
                for metric in ("loss", "accuracy", "f1", "precision", "recall"):
                    values = [getattr(getattr(outcome, split), metric) for outcome in outcomes]
                    name = f"{split}_{metric}"
                    assert row[name] == pytest.approx(fmean(values), rel=1e-12)
                    assert row[f"{name}_sd"] == pytest.approx(stdev(values), rel=1e-12)
                    assert row[f"{name}_min"] == min(values)
                    assert row[f"{name}_max"] == max(values)
            assert row["seeds"] == 3
            assert row["share"] == outcomes[0].trainable / outcomes[0].total
            assert row["seconds"] == pytest.approx(fmean(o.seconds for o in outcomes))


def test_what_a_probes_features_took_stands_beneath_the_costs(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 100), methods=("lora", "probe"))
    assert features_sentence(read(folder)) == ""
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        for size, seconds, texts in ((50, 2.0, 1000), (100, 3.0, 1500)):
            for seed in range(3):
                told = {"C": 1.0, "features_seconds": seconds, "features_texts": texts}
                where = (json.dumps(told), f"probe-{size}-{seed}")
                db.execute("UPDATE outcomes SET extra = ? WHERE run_id = ?", where)
    db.close()
    said = features_sentence(read(folder))
    assert "took 5.0 s more, for 2,500 texts" in said
    assert "(2 ms a text), computed 2 times for all its 6 runs" in said
    *_, last = cost_parts(gather(read(folder)))
    assert last == said


def test_what_did_not_converge_is_said(
    make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_study(sizes=(50, 100), methods=("lora", "tfidf"))
    assert unconverged(read(folder)) == ""
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        for seed in range(2):
            extra = json.dumps({"C": 100.0, "converged": False})
            where = (extra, f"tfidf-50-{seed}")
            db.execute("UPDATE outcomes SET extra = ? WHERE run_id = ?", where)
    db.close()
    said = unconverged(read(folder))
    assert said.startswith("Not converged: TF-IDF at 50 (2 runs). ")
    found = gather(read(folder))
    assert any(said in part for part in score_parts(found))
    print_result(Result(folder, gathered=found), None, as_json=False, quiet=True)
    assert said in capsys.readouterr().out


def test_rows_are_by_size_then_method(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(800, 50), seeds=1, methods=("tfidf", "new", "probe", "lora"))
    table = summary(read(folder).runs)
    assert list(zip(table["size"], table["method"], strict=True)) == [
        (size, method) for size in (50, 800) for method in ("lora", "probe", "tfidf", "new")
    ]


def test_only_runs_that_are_done_count(make_study: MakeStudy) -> None:
    folder = make_study(
        sizes=(50,), methods=("lora",), seeds=3, fail=("lora-50-0",), leave=("lora-50-2",)
    )
    table = summary(read(folder).runs)
    assert list(table["seeds"]) == [1]
    assert table["test_accuracy_sd"].isna().all()


def test_nothing_done_is_an_empty_table(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), methods=("lora",), seeds=1, leave=("lora-50-0",))
    table = summary(read(folder).runs)
    assert table.empty
    assert "test_accuracy" in table.columns
    assert render(table).row_count == 0


def shown(table: object) -> str:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("seeds", [2, 3])
def test_the_terminal_table_fits_80_columns(make_predicted: MakeStudy, seeds: int) -> None:
    """Nothing is cut, even with the widest numbers, and every mark is explained."""
    found = gather(read(make_predicted(sizes=(1000, 56000), seeds=seeds, epochs=1)))
    text = shown(render(found.table))
    assert "\u2026" not in text
    assert max(map(len, text.splitlines())) <= 80
    lora = next(line for line in text.splitlines() if line.startswith("56,000"))
    row = found.table.set_index(["size", "method"]).loc[(56000, "lora")]
    low, high = row["test_accuracy_low"], row["test_accuracy_high"]
    assert lora.split() == [
        *("56,000", "lora", "2*" if seeds == 2 else "3", f"{100 * row['test_accuracy']:.1f}", "%"),
        f"{100 * low:.1f}\u2013{100 * high:.1f}",
        *(f"{row['test_f1']:.3f}", f"{row['test_loss']:.3f}"),
        *(f"{100 * row['validation_accuracy']:.1f}", "%", "0.97", "%", "561"),
    ]
    words = " ".join(text.split())
    assert ("training noise not measured" in words) == (seeds == 2)
    assert ("2*! " if seeds == 2 else "3 ! ") in text
    assert f"! few steps: fewer than {FLOOR} optimiser steps." in words


def test_without_predictions_the_table_has_no_interval(make_study: MakeStudy) -> None:
    text = shown(render(summary(read(make_study(sizes=(8000,), seeds=2)).runs)))
    assert "Interval:" not in text
    assert "\u2013" in text


def test_what_it_took_is_shown_at_the_largest_size(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 56000), seeds=2)
    text = shown(render_costs(summary(read(folder).runs)))
    assert "\u2026" not in text
    assert "What it took at 56,000" in text
    lines = [line.split() for line in text.splitlines() if line.startswith(("lora", "tfidf"))]
    assert lines == [
        ["lora", "222,722", "0.97", "%", "561", "457", "MB", "1.2", "MB"],
        ["tfidf", "4,321", "100", "%", "561", "\u2013", "43", "kB"],
    ]


def test_the_markdown_table_has_a_line_per_size_and_method(make_study: MakeStudy) -> None:
    table = summary(read(make_study(sizes=(1000,), seeds=3)).runs)
    lines = to_markdown(table, "validation").splitlines()
    assert len(lines) == 2 + 3
    lora = table.iloc[0]
    assert lines[2] == (
        f"| 1,000 | lora | 3 | {100 * lora['validation_accuracy']:.1f} % "
        f"| SD {100 * lora['validation_accuracy_sd']:.1f} | {lora['validation_f1']:.3f} "
        f"| {lora['validation_precision']:.3f} | {lora['validation_recall']:.3f} "
        f"| {lora['validation_loss']:.3f} |"
    )


def test_words_from_outside_cannot_break_a_page() -> None:
    assert plain("a | b\nc <script> & *x* `y` [z](w)") == (
        r"a \| b c &lt;script> &amp; \*x\* \`y\` \[z](w)"
    )
    assert plain("learning_rate _x_") == r"learning_rate \_x\_"
    assert code("a`b") == "`` a`b ``"
    assert markdown_table(("run",), [["a|b"]]).splitlines()[2] == r"| a\|b |"
