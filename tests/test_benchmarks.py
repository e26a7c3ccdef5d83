"""The table of speed: its arithmetic on made-up figures, and that a row can be measured."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from measure import table  # noqa: E402
from measure.batches import sorted_batches  # noqa: E402
from measure.onnx_runtime import Candidate, fastest  # noqa: E402
from measure.pairing import Measured, alternate  # noqa: E402
from measure.rows import TABLE, Row, by_group, chosen, sides  # noqa: E402

FASTER = Row("x", "group", "ours", "theirs", "weft", "peer", 2.0, bare="bare")
HEAD: dict[str, Any] = {
    "schema": table.SCHEMA,
    "date": "2030-01-01T00:00:00+00:00",
    "command": "python speed.py",
    "quick": False,
    "machine": {"cpu": "CPU", "cores": 2, "threads": 2, "memory_gib": 8.0, "platform": "here"},
    "versions": {"torch": "2"},
    "data": {"train.tsv": "abc"},
}


def test_the_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() -> None:
    figures = {"weft": [10.0, 30.0, 20.0], "peer": [5.0, 10.0, 20.0], "bare": [20.0, 20.0, 20.0]}
    found = table.entry(FASTER, Measured(figures))
    assert (found["ours"], found["theirs"]) == (20.0, 10.0)
    assert found["ratio"] == 2.0
    assert found["spread"] == [1.0, 3.0]
    assert found["bare_to_peer"] == 2.0
    assert found["repeats"] == 3
    assert found["met"] is True


def test_a_row_that_falls_short_by_a_hair_is_not_met() -> None:
    found = table.entry(FASTER, Measured({"weft": [1.99999], "peer": [1.0], "bare": [1.0]}))
    assert found["met"] is False


def test_of_seconds_the_ratio_says_how_many_times_as_fast() -> None:
    row = dataclasses.replace(FASTER, unit="s", bare=None)
    found = table.entry(row, Measured({"weft": [10.0], "peer": [40.0]}))
    assert (found["ratio"], found["met"]) == (4.0, True)


def test_memory_is_held_below_the_peers() -> None:
    row = dataclasses.replace(FASTER, unit="MiB", sense="at most", target=1.0, bare=None)
    assert table.entry(row, Measured({"weft": [90.0], "peer": [100.0]}))["met"] is True
    assert table.entry(row, Measured({"weft": [101.0], "peer": [100.0]}))["met"] is False


def test_a_row_without_a_peer_is_judged_by_its_own_figure() -> None:
    row = dataclasses.replace(FASTER, theirs=None, unit="s", sense="at most", target=6.0)
    found = table.entry(row, Measured({"weft": [5.0, 9.0, 5.5]}))
    assert (found["ratio"], found["ours"], found["met"]) == (None, 5.5, True)
    assert found["spread"] == [5.0, 9.0]


def test_notes_of_row_and_sides_stand_together() -> None:
    row = dataclasses.replace(FASTER, note="first", bare=None)
    measured = Measured({"weft": [1.0], "peer": [1.0]}, {"peer": "last", "other": "not this"})
    assert table.entry(row, measured)["note"] == "first; last"


def made(row: Row, ours: float, sources: str = "new", date: str = "2030-01-02") -> table.Entry:
    figures = {"weft": [ours, ours], "peer": [1.0, 1.0], "bare": [4.0, 4.0]}
    return {**table.entry(row, Measured(figures)), "date": date, "sources": sources}


def test_the_page_hides_no_missed_target_and_names_rows_of_other_sources(tmp_path: Path) -> None:
    short = dataclasses.replace(FASTER, id="a", note="why")
    rows = table.merged([], made(short, 1.5, "old", "2030-01-01"))
    rows = table.merged(rows, made(FASTER, 3.0))
    table.write(tmp_path / "speed.json", HEAD, rows)
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| 1.50 (1.50 to 1.50) | at least 2x | **no** | 4.00 |" in page
    assert "| 3.00 (3.00 to 3.00) | at least 2x | yes | 4.00 |" in page
    assert "- **a**: why." in page
    assert "other sources of weft than the newest row: a." in page
    assert "quick" not in page


def test_a_row_measured_again_replaces_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    first = [made(dataclasses.replace(FASTER, id=name), 1.0) for name in ("b", "a")]
    rows = table.merged(table.merged([], first[0]), first[1])
    table.write(path, HEAD, rows)
    kept, differs = table.begun(path, HEAD)
    assert not differs
    rows = table.merged(kept, made(dataclasses.replace(FASTER, id="b"), 9.0))
    assert [(row["id"], row["ratio"]) for row in rows] == [("a", 1.0), ("b", 9.0)]


@pytest.mark.parametrize("name", ["machine", "versions", "data", "quick"])
def test_rows_of_another_machine_or_version_do_not_stand_in_one_table(
    name: str, tmp_path: Path
) -> None:
    table.write(tmp_path / "speed.json", HEAD, [made(FASTER, 1.0)])
    assert table.begun(tmp_path / "speed.json", {**HEAD, name: "other"}) == ([], [name])


def test_rows_are_chosen_by_id_or_by_its_first_part() -> None:
    assert len({row.id for row in TABLE}) == len(TABLE)
    assert [row.id for row in chosen("g,d")] == ["d-single", "d-bank", "g"]
    assert chosen(None) == list(TABLE)
    with pytest.raises(ValueError, match="no row 'z'"):
        chosen("a,z")
    assert {"a", "b", "c", "e", "f", "g", "h", "k", "memory"} <= {row.id for row in TABLE}
    assert {row.id.partition("-")[0] for row in TABLE} >= set("abcdefghijk")


def test_rows_of_a_group_share_their_sides() -> None:
    groups = by_group(chosen("a,b,g"))
    assert [row.id for row in groups["bert"]] == ["a", "b"]
    assert sides(groups["bert"]) == {"weft", "dynamic", "grouped", "bare"}


def test_sides_take_turns() -> None:
    seen: list[tuple[str, int]] = []

    def side(name: str) -> Any:
        return lambda repeat: seen.append((name, repeat)) or float(repeat)

    figures = alternate({"weft": side("weft"), "peer": side("peer")}, 2, "s")
    assert seen == [("weft", 0), ("peer", 0), ("weft", 1), ("peer", 1)]
    assert figures == {"weft": [0.0, 1.0], "peer": [0.0, 1.0]}


def test_onnx_runtimes_best_agrees_as_well_as_ours() -> None:
    def candidate(name: str, rate: float, agreement: float | None) -> Candidate:
        return Candidate(name, lambda texts: np.zeros((len(texts), 2)), rate, agreement)

    found = [candidate("int8", 9.0, 0.990), candidate("float32", 3.0, 1.0)]
    assert fastest(found, 0.999).name == "float32"
    assert fastest(found, 0.991).name == "int8"
    assert fastest([candidate("int8", 9.0, None), candidate("float32", 3.0, None)], None).rate == 9


def test_sorted_batches_hold_every_text_once() -> None:
    class Tokenizer:
        pad_token_id = 0

        def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
            return {"input_ids": [[1 + i] * len(text) for i, text in enumerate(texts)]}

    batches = list(sorted_batches(Tokenizer(), ["aaa", "a", "aaaa", "aa", "aa"], 2))
    assert [index.tolist() for index, _ in batches] == [[1, 3], [4, 0], [2]]
    first = batches[0][1]
    assert first["input_ids"].tolist() == [[2, 0], [4, 4]]
    assert first["attention_mask"].tolist() == [[1, 0], [1, 1]]


@pytest.mark.slow
def test_a_row_is_measured(tmp_path: Path) -> None:
    for name, count in (("train", 1600), ("dev", 20)):
        lines = [f"the {name} film number {k} is {['dull', 'good'][k % 2]}" for k in range(count)]
        text = "".join(f"{line}\t{k % 2}\n" for k, line in enumerate(lines))
        (tmp_path / f"{name}.tsv").write_text(f"sentence\tlabel\n{text}", encoding="utf-8")
    out = tmp_path / "speed.json"
    command = [sys.executable, str(BENCHMARKS / "speed.py"), "--data", str(tmp_path)]
    said = subprocess.run(
        [*command, "--quick", "--rows", "g", "--out", str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "| g | MiniLM, one run |" in said.stdout
    result = json.loads(out.read_text(encoding="utf-8"))
    (row,) = result["rows"]
    assert result["quick"] is True
    assert (row["id"], row["repeats"]) == ("g", 1)
    assert all(figure > 0 for figure in (row["ours"], row["theirs"], row["bare_to_peer"]))
