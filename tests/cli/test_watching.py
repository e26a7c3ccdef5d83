"""What is shown while a study runs: lines, a table of the runs that train, or JSON events."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tests.cli.command import SMALL, weft

from weft.cli.running import Running, sparkline

pytestmark = pytest.mark.usefixtures("no_figures")


def drawn(running: Running) -> list[str]:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, no_color=True)
    with console.capture() as said:
        console.print(running)
    return said.get().splitlines()


@pytest.mark.usefixtures("fresh")
def test_json_events_tell_the_study_from_its_opening_to_its_last_run() -> None:
    said = weft("study", "reviews.csv", *SMALL, "--methods", "lora,tfidf", "--json")
    assert said.code == 0, said.err
    json.loads(said.out)
    lines = [json.loads(line) for line in said.err.splitlines()]
    names = [line["event"] for line in lines]
    assert names[0] == "opened"
    assert lines[0]["schema"] == 1
    runs = {run["run"] for run in lines[names.index("begun")]["runs"]}
    assert len(runs) == 8
    assert {line["run"] for line in lines if line["event"] == "run_done"} == runs
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert {line["epoch"] for line in epochs} == {1, 2}
    assert all(0 <= line["validation_accuracy"] <= 1 for line in epochs)
    stepped = next(line for line in lines if line["event"] == "stepped")
    assert set(stepped["losses"]) <= runs
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)


@pytest.mark.usefixtures("fresh")
def test_quiet_json_is_the_result_alone() -> None:
    said = weft("study", "reviews.csv", *SMALL, "--methods", "tfidf", "--json", "-q")
    assert said.err == ""
    json.loads(said.out)


def test_a_running_run_shows_its_epoch_its_loss_and_how_it_fell() -> None:
    running = Running()
    assert drawn(running) == []
    running.begin("a", "lora 16 seed 0", steps=8, per_epoch=4, step=0)
    for loss in (0.9, 0.7, 0.5, 0.3, 0.25):
        running.step("a", loss)
    running.judged("a", 0.75)
    (_, line) = drawn(running)
    assert line.split() == ["lora", "16", "seed", "0", "2", "5/8", "0.250", "█▆▄▂▁", "75.0%"]
    running.end("a")
    assert drawn(running) == []


def test_a_run_that_goes_on_counts_from_where_it_was() -> None:
    running = Running()
    running.begin("a", "lora", steps=40, per_epoch=10, step=25)
    running.step("a", 0.5)
    assert "26/40" in drawn(running)[1]
    assert drawn(running)[1].split()[1] == "3"


def test_a_long_run_keeps_its_line_short_and_whole() -> None:
    running = Running()
    running.begin("a", "lora", steps=10_000, per_epoch=100, step=0)
    for step in range(5_000):
        running.step("a", 1 - step / 5_000)
    bars = next(part for part in drawn(running)[1].split() if part[0] in "▁▂▃▄▅▆▇█")
    assert 12 <= len(bars) <= 24
    assert bars[0] == "█"
    assert bars[-1] == "▁"


@pytest.mark.parametrize(
    ("values", "bars"), [([], ""), ([0.5], "▁"), ([1.0, 1.0], "▁▁"), ([1.0, 0.0, 0.5], "█▁▅")]
)
def test_sparklines(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars
