"""The back-test's program: ladders are made once, groups do not overlap, tables are whole."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import backtest  # noqa: E402
from measure.ladders import SETS, Ladders  # noqa: E402
from weft.evidence.backtest import judge, summarised  # noqa: E402
from weft.evidence.forecast import REACH  # noqa: E402
from weft.evidence.ladder import LEAST_SIZES, LEAST_SPAN  # noqa: E402

SOON = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Ladders:
    ladders = Ladders("demo", "bayes", Path("nowhere"), tmp_path_factory.mktemp("cache"))
    assert ladders.make(7, time.monotonic() + SOON)
    return ladders


def test_ladders_are_kept_and_not_made_again(
    made: Ladders, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Ladders("demo", "bayes", Path("nowhere"), made._cache)
    assert again.scores == made.scores
    monkeypatch.setattr(Ladders, "_score", lambda *_: pytest.fail("made again"))
    assert again.make(7, time.monotonic() + SOON)


def test_ladders_stop_when_time_runs_out(tmp_path: Path) -> None:
    ladders = Ladders("demo", "bayes", Path("nowhere"), tmp_path)
    assert not ladders.make(2, time.monotonic() - 1)
    assert not list(tmp_path.iterdir())


def test_tfidf_ladders_keep_one_c_a_size(tmp_path: Path) -> None:
    ladders = Ladders("demo", "tfidf", Path("nowhere"), tmp_path)
    assert ladders.make(2, time.monotonic() + SOON)
    kept = json.loads((tmp_path / "demo-tfidf.json").read_text(encoding="utf-8"))
    assert set(kept["c"]) == {str(size) for size in (*SETS["demo"].known, *SETS["demo"].truth)}
    assert ladders.scores[0][960] > 0.6


def test_groups_of_three_do_not_overlap(made: Ladders) -> None:
    cases = backtest.cases_of(made, "demo", 7)
    assert [case.name for case in cases] == ["0 to 2", "3 to 5"]
    assert cases[1].truth[960] == [made.scores[one][960] for one in (3, 4, 5)]
    assert set(cases[0].scores) == set(SETS["demo"].known)


def test_every_set_bears_a_forecast() -> None:
    for one in SETS.values():
        assert len(one.known) >= LEAST_SIZES
        assert one.known[-1] / one.known[0] >= LEAST_SPAN
        farthest = one.truth[-1] / one.known[-1]
        assert farthest <= REACH or one.name == "sst2"


def test_the_table_has_every_set_way_and_size(made: Ladders) -> None:
    rows = judge(backtest.cases_of(made, "demo", 7))
    text = backtest.table(summarised(rows), rows)
    for head in ("| demo | forecast | 4 |", "| all | log-linear | 4 |", "| demo, 960 (4x) |"):
        assert head in text
    assert "| demo | last value |" in text.split("| less that of |")[1]
    ours = [row.miss for row in rows if row.way == "forecast"]
    assert f"| {100 * np.mean(np.abs(ours)):.2f} |" in text


def test_candidates_have_names_of_their_own() -> None:
    names = [name for name, _ in backtest.candidates()]
    assert len(set(names)) == len(names)


def test_no_development_ladder_is_judged() -> None:
    assert not {(name, "probe") for name in backtest.JUDGED} & set(backtest.DEVELOPMENT)
