"""The benchmark of searches: its comparison, on made-up tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import search


def table(losses: list[list[float]], accuracies: list[list[float]]) -> dict[str, Any]:
    made: dict[str, Any] = {"params": [{"r": k} for k in range(len(losses))]}
    for score, values in zip(search.SCORES, (np.array(losses), np.array(accuracies)), strict=True):
        for fold in range(values.shape[1]):
            made[f"split{fold}_test_{score}"] = values[:, fold]
        made[f"mean_test_{score}"] = values.mean(axis=1)
        order = np.argsort(-values.mean(axis=1), kind="stable")
        made[f"rank_test_{score}"] = 1 + np.argsort(order)
    return made


def test_choices_and_differences() -> None:
    theirs = table([[-0.5, -0.5], [-0.3, -0.3]], [[0.9, 0.9], [0.7, 0.7]])
    ours = table([[-0.5, -0.6], [-0.3, -0.3]], [[0.7, 0.7], [0.9, 0.8]])
    found = search.compared(ours, theirs)
    assert found["same_choice"] == {"neg_log_loss": True, "accuracy": False}
    assert found["same_order"]
    assert found["chosen"] == {"r": 1}
    assert np.isclose(found["largest_difference"]["neg_log_loss"], 0.1)
    assert np.isclose(found["largest_difference"]["accuracy"], 0.2)
    assert np.isclose(found["spread_of_candidates"]["neg_log_loss"], 0.2)
