"""The report on probabilities: figures, the table's numbers, the threshold, and the warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.evidence.calibration.judge import brier_each, log_loss_each
from weft.evidence.calibration.temperature import apply, fit
from weft.randomness import generator_for
from weft.report import gather, read, write
from weft.report.calibration import Best, Cell
from weft.report.data_files import results_json
from weft.report.reliability import draw_abstention, draw_reliability
from weft.report.sections import in_markdown
from weft.report.sections.probabilities import probabilities
from weft.report.style import styled
from weft.study.ledger import Ledger
from weft.study.predictions import HELD_OUT, read_probabilities, write_predictions

MakeStudy = Callable[..., Path]
SMALL: dict[str, Any] = {"sizes": (100,), "seeds": 2, "methods": ("lora", "tfidf"), "epochs": 1}


def predict(
    folder: Path,
    *,
    classes: int = 2,
    sure: float = 3.0,
    spread: float = 1.5,
    older: bool = False,
) -> Path:
    """Gives every finished run predictions that are too sure by a factor of `sure`.

    `older`: as a weft wrote them that held nothing out.
    """
    draw = generator_for("examples")
    names = ("negative", "positive") if classes == 2 else tuple(f"c{k}" for k in range(classes))
    truth, labels = {}, {}
    for split, count in (("validation", 400), ("test", 600)):
        truth[split] = draw.normal(0, spread, (count, classes))
        odds = np.exp(truth[split])
        bounds = (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)
        labels[split] = np.minimum((draw.random((count, 1)) > bounds).sum(axis=1), classes - 1)
    if not older:
        truth[HELD_OUT], labels[HELD_OUT] = truth["validation"], labels["validation"]
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        runs = [run for run, status in ledger.statuses().items() if status == "done"]
    for run in runs:
        rows = {}
        for split, own in truth.items():
            noise = generator_for("noise", run, split).normal(0, 0.5, own.shape)
            odds = np.exp(sure * (own + noise))
            rows[split] = odds / odds.sum(axis=1, keepdims=True)
        place = folder / "runs" / run
        place.mkdir(parents=True, exist_ok=True)
        write_predictions(place / "predictions.parquet", names, labels, rows)
    return folder


def cells(folder: Path) -> list[Cell]:
    return gather(read(folder)).cells


def best(folder: Path) -> Best | None:
    return gather(read(folder)).best


def page_of(folder: Path, files: tuple[str, ...] = ()) -> str:
    parts = probabilities(gather(read(folder)), files)
    return "\n".join(said for part in parts for said in in_markdown(part))


def test_the_page_and_the_pictures_are_written(make_study: MakeStudy) -> None:
    folder = predict(make_study(**SMALL))
    written = [path.relative_to(folder).as_posix() for path in write(folder)]
    for name in ("reliability", "abstention"):
        assert f"figures/{name}.pdf" in written
        assert f"figures/{name}.png" in written
    page = (folder / "results.md").read_text(encoding="utf-8")
    assert page.index("## Validation scores") < page.index("## Calibration")
    assert page.index("## What it took") < page.index("## Calibration")
    assert "![Reliability on test, before and after](figures/reliability.png)" in page
    assert "None" not in page
    assert "nan" not in page.lower().replace("finance", "")


def test_a_cell_holds_what_its_predictions_say(make_study: MakeStudy) -> None:
    folder = predict(make_study(**SMALL))
    lora, tfidf = cells(folder)
    assert (lora.method, lora.size, lora.seeds, tfidf.method) == ("lora", 100, 2, "tfidf")
    splits = [
        read_probabilities(folder / "runs" / f"lora-100-{seed}" / "predictions.parquet")
        for seed in range(2)
    ]
    temperatures = [fit(own[HELD_OUT].probabilities, own[HELD_OUT].labels).value for own in splits]
    assert list(lora.temperatures) == temperatures
    labels = splits[0]["test"].labels
    raw = [own["test"].probabilities for own in splits]
    warm = [apply(rows, t) for rows, t in zip(raw, temperatures, strict=True)]
    for found, each in ((lora.log_loss, log_loss_each), (lora.brier, brier_each)):
        for estimate, rows in zip(found, (raw, warm), strict=True):
            assert estimate.value == pytest.approx(np.mean([each(own, labels) for own in rows]))
            assert estimate.low < estimate.value < estimate.high
        assert found[1].value < found[0].value, "they were too sure"
    assert lora.ece[1] < lora.ece[0]
    assert lora.accuracy == pytest.approx(np.mean([own.argmax(1) == labels for own in raw]))
    assert lora.kept > lora.accuracy
    assert lora.ensemble is not None
    together = (raw[0] + raw[1]) / 2
    assert lora.ensemble.accuracy == pytest.approx((together.argmax(1) == labels).mean())
    assert lora.ensemble.log_loss < lora.log_loss[1].value


def test_the_run_is_the_one_that_validation_chooses(make_study: MakeStudy) -> None:
    from weft.study.choice import best_run

    folder = predict(make_study(sizes=(50, 100), seeds=2, methods=("lora", "tfidf"), epochs=1))
    found = best(folder)
    assert found is not None
    assert found.key == best_run(folder)[0]
    assert found.ensemble is not None
    page = page_of(folder)
    assert f"{found.key.method} at {found.key.size}, seed {found.key.seed}: temperature" in page


def test_the_threshold_names_the_positive_class(make_study: MakeStudy) -> None:
    page = page_of(predict(make_study(**SMALL), spread=6.0))
    assert "To say `positive` with a precision of 95 %: at a probability of" in page
    assert "Found on 400 validation examples" in page
    assert "On test:" in page


def test_what_no_threshold_reaches_is_said(make_study: MakeStudy) -> None:
    page = page_of(predict(make_study(**SMALL), spread=0.2))
    assert "no threshold is shown to reach it; the surest answers are not right" in page


def test_more_classes_speak_of_any_answer(make_study: MakeStudy) -> None:
    folder = make_study(**SMALL, classes=4, label_names=[f"c{k}" for k in range(4)])
    page = page_of(predict(folder, classes=4, spread=6.0))
    assert "To be right in 95 % of the answers given: at a probability of" in page


def test_models_without_a_saved_temperature_are_counted(make_study: MakeStudy) -> None:
    assert "Of 4 models 4 were saved without a temperature" in page_of(predict(make_study(**SMALL)))


def test_what_an_earlier_weft_fitted_is_said_to_be_so(make_study: MakeStudy) -> None:
    folder = predict(make_study(**SMALL), older=True)
    assert "Of 4 an earlier weft made, it is fitted on validation as" in page_of(folder)
    found = best(folder)
    assert found is not None
    rows = found.run.validation
    assert found.run.temperature == fit(rows.probabilities, rows.labels)
    assert "an earlier weft" not in page_of(predict(folder))
    again = best(folder)
    assert again is not None
    assert again.run.temperature != found.run.temperature


def test_the_threshold_is_found_on_what_is_held_out(make_study: MakeStudy) -> None:
    """On validation as the run's own epoch shows it, every answer would be right."""
    folder = predict(make_study(**{**SMALL, "seeds": 1}), spread=0.2)
    for path in (folder / "runs").glob("*/predictions.parquet"):
        splits = read_probabilities(path)
        labels = {name: own.labels for name, own in splits.items()}
        rows = {name: own.probabilities for name, own in splits.items()}
        rows["validation"] = np.eye(2)[labels["validation"]] * 0.8 + 0.1
        write_predictions(path, ("negative", "positive"), labels, rows)
    assert "no threshold is shown to reach it" in page_of(folder)


def test_the_data_file_has_the_cells(make_study: MakeStudy) -> None:
    folder = predict(make_study(**SMALL))
    rows = json.loads(results_json(gather(read(folder))))["calibration"]
    lora, tfidf = cells(folder)
    assert [row["method"] for row in rows] == [lora.method, tfidf.method]
    assert rows[0]["log_loss"]["after"]["value"] == lora.log_loss[1].value
    assert lora.ensemble is not None
    assert rows[0]["ensemble"]["accuracy"] == lora.ensemble.accuracy


def test_a_validation_set_unlike_test_is_warned_of(make_study: MakeStudy) -> None:
    folder = predict(make_study(**{**SMALL, "seeds": 1}))
    assert "not like test" not in page_of(folder)
    for path in (folder / "runs").glob("*/predictions.parquet"):
        splits = read_probabilities(path)
        labels = {name: own.labels for name, own in splits.items()}
        rows = {name: own.probabilities for name, own in splits.items()}
        labels["validation"] = rows["validation"].argmax(axis=1)
        write_predictions(path, ("negative", "positive"), labels, rows)
    page = page_of(folder)
    assert "Warning: validation is not like test" in page
    assert "right in 100.0 % of validation" in page


def shares(facts: dict[str, Any], pool: list[int], train: list[int]) -> dict[str, Any]:
    counts = {"pool": pool, "train": {"100": train}}
    return {**facts, "data": {**facts["data"], "label_counts": counts}}


def test_a_changed_prior_is_warned_of_and_put_right(
    make_study: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    facts = shares(made_up_facts, [800, 200], [50, 50])
    page = page_of(predict(make_study(**SMALL, facts=facts)))
    assert "Warning: sampling changed the class shares by 30.0 points" in page
    assert "`negative` is 50 % of the training set, 80 % of the pool" in page
    assert "`negative` by 1.60, `positive` by 0.40" in page


def test_shares_that_stayed_warn_of_nothing(
    make_study: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    facts = shares(made_up_facts, [505, 495], [50, 50])
    assert "Warning" not in page_of(predict(make_study(**SMALL, facts=facts)))


@pytest.mark.parametrize("damage", ["gone", "cut", "nan"])
def test_runs_without_predictions_are_left_out(make_study: MakeStudy, damage: str) -> None:
    folder = predict(make_study(**SMALL))
    path = folder / "runs" / "lora-100-0" / "predictions.parquet"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:50])
    else:
        rows = {"validation": np.full((2, 2), np.nan), "test": np.full((2, 2), 0.5)}
        labels = {name: np.array([0, 1]) for name in rows}
        write_predictions(path, ("negative", "positive"), labels, rows)
    assert [cell.seeds for cell in cells(folder)] == [1, 2]
    assert cells(folder)[0].ensemble is None
    write(folder)


def test_no_predictions_no_section(make_study: MakeStudy) -> None:
    folder = make_study(**SMALL)
    assert page_of(folder) == ""
    assert draw_reliability(best(folder)) is None
    assert draw_abstention(best(folder)) is None


def test_random_weights_show_nothing(make_study: MakeStudy) -> None:
    folder = predict(make_study(**SMALL, facts={"random_weights": True}))
    assert cells(folder) == []
    assert best(folder) is None


def test_the_pictures_show_the_bins_and_the_curve(make_study: MakeStudy) -> None:
    found = best(predict(make_study(**SMALL)))
    assert found is not None
    with styled():
        before, after = draw_reliability(found).axes
        (panel,) = draw_abstention(found).axes
    assert before.get_title().startswith("before\nECE 0.")
    assert after.get_title().startswith(f"after, temperature {found.run.temperature.value:.2f}")
    assert before.containers[0].lines[0].get_xdata().size == 15
    assert before.get_ylim() == after.get_ylim()
    line = panel.lines[0]
    rows, labels = found.run.test.probabilities, found.run.test.labels
    assert line.get_ydata()[-1] == pytest.approx((rows.argmax(1) == labels).mean())
    assert line.get_xdata()[-1] == 1.0
