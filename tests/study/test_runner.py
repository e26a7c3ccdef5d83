"""Carrying a study out: what is bit for bit the same, what is told, and what is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests import tiny
from tests.cli.command import outcomes, reviews, tree, write_csv

from weft.config import StudyConfig
from weft.errors import ConfigError, StudyError
from weft.study.ledger import Ledger
from weft.study.notices import Begun, Opened, RunDone, Working
from weft.study.presets import resolve
from weft.study.runner import open_data, run_study, typed_command
from weft.training.events import EpochEnd, Stepped


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runner")
    write_csv(folder / "reviews.csv", reviews())
    tiny.save(folder / "tiny", "bert")
    return folder


def config(place: Path, **over: Any) -> StudyConfig:
    return resolve(
        str(place / "reviews.csv"),
        {
            "backbone": {"name": str(place / "tiny"), "precision": "float32"},
            "sizes": [16, 24],
            "seeds": 2,
            "methods": ["lora"],
            "recipe": {"epochs": 2, "batch_size": 8},
            **over,
        },
    )


def run(config: StudyConfig, folder: Path) -> list[object]:
    events: list[object] = []
    assert run_study(config, folder, events.append, "typed")
    return events


def models(folder: Path) -> dict[str, bytes]:
    records = ("run.json", ".study.json")  # they tell times
    found = {name: f for name, f in tree(folder / "runs").items() if not name.endswith(records)}
    assert any(name.endswith("adapter_model.safetensors") for name in found)
    return found


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_exact_runs_are_bit_for_bit_the_same_in_any_company(
    place: Path, tmp_path: Path, pooling: str
) -> None:
    backbone = {"name": str(place / "tiny"), "precision": "float32", "pooling": pooling}
    for name, slots, exact in (("one", 1, True), ("three", 3, True), ("fast", 3, False)):
        bank = {"slots": slots, "exact": exact}
        run(config(place, backbone=backbone, bank=bank), tmp_path / name)
    one, three, fast = (models(tmp_path / name) for name in ("one", "three", "fast"))
    assert one == three
    assert one.keys() == fast.keys()  # the ids are the same, for the outcome is

    for key, outcome in outcomes(tmp_path / "one").items():
        other = outcomes(tmp_path / "fast")[key]
        assert outcome is not None
        assert other is not None
        assert outcome.test.loss == pytest.approx(other.test.loss, rel=1e-2)


def test_what_happens_is_told_in_order(place: Path, tmp_path: Path) -> None:
    events = run(config(place, methods=["lora", "probe", "tfidf"], seeds=1), tmp_path)
    kinds = [type(event) for event in events]
    assert kinds[:3] == [Opened, Working, Begun]
    (begun,) = (event for event in events if isinstance(event, Begun))
    assert len(begun.keys) == len(begun.waiting) == 6
    done = [event.key.method for event in events if isinstance(event, RunDone)]
    assert done == ["tfidf"] * 2 + ["probe"] * 2 + ["lora"] * 2  # the quick ones first
    assert kinds.count(EpochEnd) == 4
    stepped = sum(event.examples for event in events if isinstance(event, Stepped))
    assert stepped == 2 * (16 + 24)


def test_a_run_is_whole_in_the_ledger_when_it_is_told(place: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(event: object) -> None:
        if isinstance(event, RunDone):
            with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
                outcome = ledger.outcome(event.key.run_id)
                epochs = ledger.epochs(event.key.run_id)
            assert outcome == event.outcome
            assert outcome is not None
            assert (tmp_path / str(outcome.folder) / "adapter" / "weft.json").is_file()
            losses = [row.validation_loss for row in epochs]
            assert outcome.best_epoch == int(np.argmin(losses)) + 1
            assert outcome.validation.loss == pytest.approx(min(losses), abs=1e-9)
            seen.append(event.key.run_id)

    run_study(config(place), tmp_path, watch, "typed")
    assert len(seen) == 4


@pytest.mark.parametrize("method", ["lora", "probe", "tfidf"])
def test_the_scores_are_those_of_the_predictions(place: Path, tmp_path: Path, method: str) -> None:
    chosen = config(place, methods=[method], seeds=1)
    splits = run_and_open(chosen, tmp_path)
    for run_id, outcome in outcomes(tmp_path).items():
        assert outcome is not None
        rows = pq.read_table(tmp_path / "runs" / run_id / "predictions.parquet").to_pandas()
        assert list(rows.columns) == ["split", "index", "label", "predicted", "p:neg", "p:pos"]
        for name, examples, scores in (
            ("validation", splits.validation, outcome.validation),
            ("test", splits.test, outcome.test),
        ):
            part = rows[rows["split"] == name]
            assert list(part["index"]) == list(range(len(examples)))
            assert list(part["label"]) == [("neg", "pos")[k] for k in examples.labels]
            assert (part["label"] == part["predicted"]).mean() == pytest.approx(scores.accuracy)
            own = part[["p:neg", "p:pos"]].to_numpy()[np.arange(len(part)), examples.labels]
            assert -np.log(own).mean() == pytest.approx(scores.loss, rel=1e-6)


def run_and_open(chosen: StudyConfig, folder: Path) -> Any:
    run(chosen, folder)
    return open_data(chosen).splits


def test_the_facts_say_what_was_done(place: Path, tmp_path: Path) -> None:
    run(config(place, methods=["probe"], seeds=1), tmp_path)
    with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        facts = ledger.facts()
    assert facts["command"] == "typed"
    assert facts["data"]["train"] == 84
    assert facts["data"]["label_names"] == ["neg", "pos"]
    assert facts["backbone"]["precision"] == "float32"
    assert facts["backbone"]["pooling"] == "cls"
    assert "published" not in facts
    assert facts["departures"] == []


def test_data_that_allow_no_such_size_leave_no_folder(place: Path, tmp_path: Path) -> None:
    from weft.errors import DataError

    with pytest.raises(DataError, match="The largest size that works is 84"):
        run_study(config(place, sizes=[16, 85]), tmp_path / "study", lambda _: None, "typed")
    assert not (tmp_path / "study").exists()


def test_an_adapter_without_a_layer_is_refused_with_those_there_are(
    place: Path, tmp_path: Path
) -> None:
    chosen = config(place, lora={"target_modules": ["query_key_value"]})
    with pytest.raises(ConfigError, match="query_key_value") as caught:
        run_study(chosen, tmp_path / "study", lambda _: None, "typed")
    assert "query" in caught.value.remedy


def test_a_folder_that_cannot_be_written_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StudyError):
        run_study(config(place), tmp_path / "file", lambda _: None, "typed")
    with pytest.raises(StudyError):
        run_study(config(place), tmp_path / "file" / "below", lambda _: None, "typed")


def test_a_watcher_that_stops_leaves_what_was_done(place: Path, tmp_path: Path) -> None:
    """As Ctrl-C does, wherever it strikes; afterwards everything comes out as it would have."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    chosen = config(place, bank={"exact": True})
    run(chosen, whole)
    for at in (EpochEnd, RunDone, Stepped):

        def watch(event: object, at: type = at) -> None:
            if isinstance(event, at):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_study(chosen, cut, watch, "typed")
    run(chosen, cut)
    assert models(cut) == models(whole)
    shutil.rmtree(cut)


def test_a_command_is_quoted_as_it_must_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/weft", "study", "my reviews.csv", "--text", "a'b"])
    assert typed_command() == """weft study 'my reviews.csv' --text 'a'"'"'b'"""


def test_all_methods_in_one_study(place: Path, tmp_path: Path) -> None:
    """The quick ones first; what each took is in the ledger, and the disk holds what it should."""
    methods = ["full", "lora", "tfidf", "bitfit", "probe"]
    chosen = config(place, methods=methods, sizes=[16])
    events = run(chosen, tmp_path)
    done = [event.key for event in events if isinstance(event, RunDone)]
    order = ["tfidf", "probe", "lora", "bitfit", "full"]
    assert [key.method for key in done] == [name for name in order for _ in range(2)]
    for run_id, outcome in outcomes(tmp_path).items():
        assert outcome is not None
        folder = tmp_path / "runs" / run_id
        assert outcome.model_bytes == sum(map(len, tree(folder / "adapter").values())) > 0
        assert outcome.peak_memory_bytes is not None
        assert 0 <= outcome.peak_memory_bytes < 1 << 30
        checkpoints = list(folder.rglob("epoch-*.safetensors"))
        assert len(checkpoints) == (2 if run_id.startswith(("lora", "bitfit")) else 0)
    assert not [event for event in run(chosen, tmp_path) if isinstance(event, RunDone)]


def test_a_methods_own_settings_are_free_until_it_is_planned(place: Path, tmp_path: Path) -> None:
    run(config(place, methods=["lora"], sizes=[16], seeds=1), tmp_path)
    both = {"methods": ["lora", "full"], "sizes": [16], "seeds": 1}
    own = {"full": {"learning_rate": 1e-4}}
    run(config(place, **both, **own), tmp_path)
    with pytest.raises(StudyError, match="other settings") as caught:
        run(config(place, **both), tmp_path)
    assert "full.learning_rate: 0.0001 there, 2e-05 asked for" in str(caught.value.found)
    run(config(place, **both, **own, bitfit={"learning_rate": 1e-4}), tmp_path)


@pytest.mark.parametrize(
    ("method", "learns"),
    [("lora", True), ("bitfit", False), ("full", False), ("probe", True), ("tfidf", True)],
)
def test_a_temperature_is_saved_with_the_model(
    place: Path, tmp_path: Path, method: str, learns: bool
) -> None:
    """Of a model that says nothing of validation it is the bound, with a reason beside it."""
    from weft.evidence.calibration.temperature import apply, fit
    from weft.export import card
    from weft.methods.predictor import load_predictor
    from weft.study.predictions import HELD_OUT, read_probabilities

    write_csv(tmp_path / "reviews.csv", reviews(300))  # 45 of them validate
    backbone = {"name": str(place / "tiny"), "precision": "float32"}
    chosen = config(tmp_path, backbone=backbone, methods=[method], seeds=1, sizes=[24])
    splits = run_and_open(chosen, tmp_path / "study")
    ((run_id, outcome),) = outcomes(tmp_path / "study").items()
    assert outcome is not None
    folder = tmp_path / "study" / "runs" / run_id
    saved = card.read(folder / "adapter").calibration
    predicted = read_probabilities(folder / "predictions.parquet")
    own = predicted[HELD_OUT]
    assert np.array_equal(own.labels, predicted["validation"].labels)
    assert saved is not None
    assert saved.temperature == fit(own.probabilities, own.labels).value
    assert outcome.extra["temperature"] == saved.temperature
    assert saved.examples == len(splits.validation) == 45
    assert saved.reason == fit(own.probabilities, own.labels).reason
    assert (saved.reason is None) == learns
    # what is kept of the run itself is uncalibrated, and what the model says later is not
    model = load_predictor(folder / "adapter")
    texts = splits.test.texts
    raw = predicted["test"].probabilities
    assert np.allclose(model.probabilities(texts, calibrated=False), raw, atol=1e-5)
    assert np.allclose(model.probabilities(texts), apply(raw, saved.temperature), atol=1e-5)


def test_the_facts_count_the_labels(place: Path, tmp_path: Path) -> None:
    chosen = config(place, methods=["tfidf"], seeds=1)
    splits = run_and_open(chosen, tmp_path)
    with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        counts = ledger.facts()["data"]["label_counts"]
    assert counts["pool"] == np.bincount(splits.pool.labels).tolist()
    assert counts["train"] == {"16": [8, 8], "24": [12, 12]}


# A grid of settings


def test_a_grid_makes_what_plain_studies_make(place: Path, tmp_path: Path) -> None:
    """Same ids, bit for bit the same models; the grid's banks are shared where they can be."""
    bank = {"exact": True}
    grid = {"learning_rate": [1e-3, 5e-3], "rank": [2, 8], "pooling": ["cls", "mean"]}
    methods = ["lora", "bitfit", "full", "probe", "tfidf"]
    tried = config(place, grid=grid, bank=bank, methods=methods, sizes=[16], seeds=1)
    events = run(tried, tmp_path / "grid")
    assert sum(isinstance(event, RunDone) for event in events) == 8 + 2 * 3 + 1
    working = [event.what for event in events if isinstance(event, Working)]
    assert sum("lora: 2 runs of 2 settings" in what for what in working) == 4
    alone = config(
        place,
        backbone={"name": str(place / "tiny"), "precision": "float32", "pooling": "mean"},
        recipe={"epochs": 2, "batch_size": 8, "learning_rate": 5e-3},
        lora={"r": 2},
        bank=bank,
        methods=methods,
        sizes=[16],
        seeds=1,
    )
    run(alone, tmp_path / "alone")
    ours, theirs = models(tmp_path / "grid"), models(tmp_path / "alone")
    assert theirs.items() <= ours.items()
    with Ledger(tmp_path / "grid" / "ledger.sqlite", readonly=True) as ledger:
        variants = {key.run_id: key.variant for key in ledger.keys()}  # noqa: SIM118
        pooling = ledger.facts()["backbone"]["pooling"]
    for run_id in outcomes(tmp_path / "alone"):
        if run_id.startswith("lora"):
            assert variants[run_id] == "learning_rate=0.005, r=2, pooling=mean"
    assert pooling == "cls and mean"


def test_a_grid_grows_and_goes_on(place: Path, tmp_path: Path) -> None:
    run(config(place, sizes=[16]), tmp_path)
    before = outcomes(tmp_path)
    rates = [2e-3, 1e-3]  # the first is that of the plain study
    grown = config(place, sizes=[16], grid={"learning_rate": rates})
    events = run(grown, tmp_path)
    assert sum(isinstance(event, RunDone) for event in events) == 2
    after = outcomes(tmp_path)
    assert len(after) == 4
    assert before.items() <= after.items()
    assert not any(isinstance(event, RunDone) for event in run(grown, tmp_path))
    with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        named = {key.run_id: key.variant for key in ledger.keys()}  # noqa: SIM118
    assert {named[run_id] for run_id in before} == {"learning_rate=0.002"}
    assert set(named.values()) == {"learning_rate=0.002", "learning_rate=0.001"}


def test_a_grid_that_was_stopped_ends_as_one_that_was_not(place: Path, tmp_path: Path) -> None:
    over = {"learning_rate": [1e-3, 5e-3], "rank": [2, 8]}
    bank = {"exact": True, "slots": 2}
    tried = config(place, sizes=[16], bank=bank, grid=over)
    run(tried, tmp_path / "whole")
    seen: list[str] = []

    def stop(event: object) -> None:
        if isinstance(event, RunDone):
            seen.append(event.key.run_id)
        if len(seen) == 5:  # within the second bank
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(tried, tmp_path / "stopped", stop, "typed")
    with Ledger(tmp_path / "stopped" / "ledger.sqlite", readonly=True) as ledger:
        kept = [run_id for run_id, status in ledger.statuses().items() if status == "done"]
    events = run(tried, tmp_path / "stopped")
    again = [event.key.run_id for event in events if isinstance(event, RunDone)]
    assert again
    assert sorted([*kept, *again]) == sorted(outcomes(tmp_path / "whole"))
    assert models(tmp_path / "stopped") == models(tmp_path / "whole")


def test_a_setting_that_breaks_leaves_the_others(place: Path, tmp_path: Path) -> None:
    tried = config(place, sizes=[16], seeds=1, grid={"learning_rate": [1e-3, 1e30]})
    assert not run_study(tried, tmp_path, lambda _: None, "typed")
    with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        status = {key.variant: ledger.statuses()[key.run_id] for key in ledger.keys()}  # noqa: SIM118
    assert status == {"learning_rate=0.001": "done", "learning_rate=1e+30": "failed"}


def test_a_session_keeps_how_full_the_strips_were(place: Path, tmp_path: Path) -> None:
    events = run(config(place, seeds=1, methods=["lora", "tfidf"]), tmp_path)
    fills = [event.fill for event in events if isinstance(event, Stepped)]
    with Ledger(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        (session,) = ledger.facts()["sessions"]
    assert list(session["fill"]) == ["lora"]
    steps, mean = session["fill"]["lora"]
    assert steps == len(fills)
    assert mean == pytest.approx(np.mean(fills))
