"""The pictures: what is in them, when there are none, and labels that could break them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from weft.report import gather, read
from weft.report.confusion import draw_confusion
from weft.report.curves import draw_curves
from weft.report.scaling import draw_sizes
from weft.report.style import saved, styled
from weft.study.ledger import Ledger

MakeStudy = Callable[..., Path]


def test_sizes_are_the_ticks_and_seeds_the_points(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50, 400, 8000), methods=("lora", "tfidf"), epochs=1)
    view = read(folder)
    with styled():
        (panel,) = draw_sizes(gather(view)).axes
    assert panel.get_xscale() == "log"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["50", "400", "8,000"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["lora", "tfidf"]
    points = next(line for line in panel.lines if line.get_linestyle() == "None")
    lora = view.runs[view.runs.method == "lora"]
    assert list(points.get_ydata()) == list(lora.test_accuracy)
    assert panel.yaxis.get_major_formatter()(0.855, 0) == "85.5 %"


def test_labels_of_sizes_that_would_touch_are_left_out(make_study: MakeStudy) -> None:
    sizes = (10, 9000, 9500, 10000)
    view = read(make_study(sizes=sizes, methods=("probe",), seeds=1))
    with styled():
        (panel,) = draw_sizes(gather(view)).axes
    assert list(panel.get_xticks()) == list(sizes)
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["10", "", "", "10,000"]


def test_a_panel_per_size_with_both_curves(make_study: MakeStudy) -> None:
    view = read(make_study(sizes=(50, 100), seeds=3, epochs=4))
    with styled():
        figure = draw_curves(view, "accuracy")
    assert [panel.get_title() for panel in figure.axes] == ["50 examples", "100 examples"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["train (running, dropout on)", "validation"]
    panel = figure.axes[0]
    # Two curves of three seeds and a mean each, and a mark for each seed's best epoch.
    assert len(panel.lines) == 2 * (3 + 1) + 3
    own = view.epochs[view.epochs.run_id == "lora-50-0"]
    assert list(panel.lines[0].get_ydata()) == list(own.train_accuracy)
    mean = panel.lines[3]
    first = view.epochs[(view.epochs["size"] == 50) & (view.epochs.epoch == 1)]
    assert mean.get_ydata()[0] == pytest.approx(first.train_accuracy.mean())
    assert len(mean.get_xdata()) == 3, "the third seed stops after epoch 3, and the mean with it"
    assert all(float(tick).is_integer() for tick in panel.get_xticks())


def test_curves_are_lora_s(make_study: MakeStudy) -> None:
    with styled():
        assert draw_curves(read(make_study(methods=("probe",), seeds=1)), "loss") is None


def test_more_sizes_than_fit_in_a_line(make_study: MakeStudy) -> None:
    sizes = (50, 100, 200, 400, 800, 1600, 3200)
    with styled():
        figure = draw_curves(read(make_study(sizes=sizes, seeds=1, epochs=2)), "loss")
    assert len(figure.axes) == 7


def test_the_confusion_matrix_adds_up_the_seeds(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=3, methods=("lora", "probe"), epochs=1)
    with styled():
        figure = draw_confusion(read(folder))
    panel = figure.axes[0]
    assert panel.get_title() == "50 examples\nsum over 3 seeds, n = 1,800"
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted", "true")
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["negative", "positive"]
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        expected = sum(
            np.array(ledger.outcome(f"lora-50-{seed}").test.confusion) for seed in range(3)
        )
    # Rows are true classes, from the top; columns are predictions, from the left.
    for text in panel.texts:
        column, row = text.get_position()
        assert text.get_text() == f"{expected[row, column]:,}"
    assert panel.get_ylim()[0] > panel.get_ylim()[1]


def test_77_classes_have_no_numbers_and_few_labels(make_study: MakeStudy) -> None:
    names = [f"a_rather_long_intent_name_{number}" for number in range(77)]
    view = read(
        make_study(sizes=(1000,), seeds=1, methods=("lora",), classes=77, label_names=names)
    )
    with styled():
        panel = draw_confusion(view).axes[0]
    assert not panel.texts
    labels = [tick.get_text() for tick in panel.get_xticklabels()]
    assert 20 <= len(labels) <= 40
    assert max(map(len, labels)) <= 22


def test_labels_that_a_font_or_a_formula_would_break_on(make_study: MakeStudy) -> None:
    names = ["$x$ & _y_", "\u65e5\u672c", "two\nlines", ""]
    view = read(
        make_study(
            sizes=(50,), seeds=1, methods=("probe",), classes=4, label_names=names, examples=40
        )
    )
    with styled():
        figure = draw_confusion(view)
        assert saved(figure, ["pdf"])[0].startswith(b"%PDF")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["$x$ & _y_", "class 1", "two lines", "class 3"]


def test_unknown_labels_are_numbered(make_study: MakeStudy) -> None:
    view = read(make_study(sizes=(50,), seeds=1, methods=("probe",), facts={}))
    with styled():
        figure = draw_confusion(view)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["0", "1"]


def test_the_users_own_settings_come_back() -> None:
    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["font.family"] == ["DejaVu Sans"]
    assert dict(mpl.rcParams) == before
