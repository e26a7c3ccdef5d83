"""The answer in three sentences, and how fast it was: their figures are those of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from weft.report import gather, read
from weft.report.formats import percent
from weft.report.provenance import provenance
from weft.report.sections.how import how
from weft.study.choice import best_run
from weft.study.ledger import Ledger

MakeStudy = Callable[..., Path]


def test_the_best_run_is_validations_and_its_score_tests(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000, 4000), examples=600)
    found = gather(read(folder))
    first, second, third = found.headline
    key, outcome = best_run(folder)
    assert key.method == "lora"
    assert f"LoRA trained on {key.size:,} examples" in first
    assert f"{percent(outcome.test.accuracy)} of 600 test examples" in first
    own = found.adapters[key.run_id].accuracy
    assert own.low is not None
    assert own.high is not None
    assert f"interval {100 * own.low:.1f} to {100 * own.high:.1f}" in first
    step = found.compared.step("lora", 1000, 4000)
    assert step is not None
    assert ("still helping" in second) == (step.told_apart and step.difference.estimate > 0)
    assert "24 runs" not in third
    assert "18 runs" in third
    assert "1.2 MB on disk" in third


def test_a_target_within_reach_is_given_in_labels(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted()), target=0.85)
    assert "85.0 % takes about" in found.headline[1] or "at most" in found.headline[1]
    assert any(text.startswith("85.0 % needs") for text in found.answer)
    without = gather(read(make_predicted("other")))
    assert "labels in all would bring about" in without.headline[1]


def test_fill_is_the_mean_over_sessions(
    make_predicted: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    sessions = [
        {"begun": "1", "ended": None, "command": "first"},
        {"begun": "2", "ended": "3", "command": "second", "fill": {"lora": [10, 0.5]}},
        {"begun": "4", "ended": "5", "command": "third", "fill": {"lora": [30, 0.9]}},
    ]
    folder = make_predicted(
        sizes=(250,), examples=60, facts={**made_up_facts, "sessions": sessions}
    )
    parts = [part for part in how(gather(read(folder))) if isinstance(part, str)]
    table = next(part for part in parts if "| fill |" in part)
    assert "| lora | 3 |" in table
    assert "| 80.0 % |" in table
    said = "\n".join(parts)
    assert "- 1, stopped before its end, or still at work: `first`" in said
    assert "- 4, ended 5: `third`" in said


def test_a_probes_seconds_are_told_with_its_features(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250,), methods=("probe",), examples=60)
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger._db.execute(
            "UPDATE outcomes SET seconds = 0.04, "
            """extra = '{"features_seconds": 12.34, "features_texts": 500}'"""
        )
    third = gather(read(folder)).headline[2]
    assert "in less than 0.1 seconds, after 12.3 seconds for the features of all probes," in third


def test_one_thread_and_the_preset_in_words() -> None:
    machine = {"cores": 1, "threads": 1, "memory_gib": 23.4}
    said = provenance({"machine": machine, "departures": []})
    assert "23.4 GiB of memory, 1 core, 1 thread" in said
    assert "**Departures from the preset**: none" in said
