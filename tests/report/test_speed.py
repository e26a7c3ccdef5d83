"""A report takes seconds: the whole command, and that no work is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import weft
from weft.report import readings, write
from weft.report.style import new_figure, saved, styled
from weft.study import predictions

MakeStudy = Callable[..., Path]

_WEFT = "from weft.cli import main; main()"


@pytest.mark.slow
def test_the_command_on_60_runs_of_872_examples(make_predicted: MakeStudy) -> None:
    """Under 10 s on an idle machine; the bound leaves room for one that is busy with others."""
    folder = make_predicted(seeds=5, examples=872)
    source = str(Path(weft.__path__[0]).parent)
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", _WEFT, "report", str(folder), "--target", "0.9"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
    )
    after = os.times()
    took = after.children_user + after.children_system
    took -= before.children_user + before.children_system
    assert len(list(folder.glob("runs/*/predictions.parquet"))) == 60
    assert (folder / "figures" / "loss.pdf").exists()
    assert (folder / "report.html").stat().st_size < 5e6
    assert took < 22, f"{took:.1f} s of CPU"


def test_predictions_are_read_once_a_run(
    make_predicted: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_predicted(sizes=(250, 1000), seeds=2, methods=("probe",), examples=60)
    read: list[Path] = []

    def spy(path: Path) -> Any:
        read.append(path)
        return predictions.read_probabilities(path)

    monkeypatch.setattr(readings, "read_probabilities", spy)
    write(folder)
    assert sorted(read) == sorted(folder.glob("runs/*/predictions.parquet"))
    assert len(read) == 4


def test_a_figure_is_drawn_once_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, times = Figure.draw, list[Figure]()

    def spy(self: Figure, renderer: Any) -> None:
        times.append(self)
        draw(self, renderer)

    monkeypatch.setattr(Figure, "draw", spy)
    with styled():
        figure = new_figure(3, 2)
        figure.subplots().plot([0, 1], [0, 1])
        pdf, png = saved(figure, ["pdf", "png"])
    assert pdf.startswith(b"%PDF")
    assert png.startswith(b"\x89PNG")
    assert len(times) == 2
