"""The benchmark of the server: what its page says of made-up figures, and what it keeps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import serving
from measure.serving_page import page

TOLD = {"requests": 800, "seconds": 8.0, "errors": 0, "p50": 60.0, "p99": 120.0, "rate": 100.0}


def result(weft: float, lost: float, grew: bool) -> dict[str, Any]:
    rates = {"weft": [weft, weft], "threads, float32": [20.0, 20.0]}
    parts: dict[str, dict[str, Any]] = {
        "levels": {
            "levels": {"1": TOLD, "64": TOLD},
            "server": {"texts_a_step": 12.5, "compute_ms_a_text": 0.61},
            "memory_mib": 700,
        },
        "peer": {
            "rates": rates,
            "last": dict.fromkeys(rates, TOLD),
            "best": "threads, float32",
            "ratios": {"threads, float32": weft / 20},
        },
        "adapters": {"rates": {"1": [100.0, 100.0], "16": [95.0, 95.0]}, "lost": lost},
        "endure": {
            "requests": 200_000,
            "errors": 0,
            "errors_in_log": 0,
            "seconds": 250.0,
            "memory_mib": {"after a tenth": 700.0, "at the end": 800.0 if grew else 701.0},
            "grew": grew,
        },
    }
    dated = {
        name: part | {"date": "2026-11-26T12:00:00", "command": f"measured {name}"}
        for name, part in parts.items()
    }
    machine = {"cpu": "a CPU", "cores": 2, "threads": 2}
    return {"machine": machine, "versions": {"weft": "0.1.0"}, "parts": dated}


@pytest.mark.parametrize(("good", "said"), [(True, "met"), (False, "missed")])
def test_the_page_says_what_is_met(good: bool, said: str) -> None:
    text = page(result(*((100.0, 0.05, False) if good else (70.0, 0.2, True))))
    assert text.count(f"**{said}**") == 2
    assert ("**no growth**" if good else "**it grew**") in text
    assert "200,000 requests of short texts" in text
    assert "no errors" in text


def test_what_another_machine_measured_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "serving.json"
    own = serving.begun(path)
    own["parts"]["levels"] = {"levels": {}}
    path.write_text(json.dumps(own))
    assert serving.begun(path)["parts"] == own["parts"]
    path.write_text(json.dumps(own | {"machine": own["machine"] | {"cpu": "another"}}))
    assert serving.begun(path)["parts"] == {}
