"""`weft.Study` and its result: what the command line does, for Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from weft.config import LoraSettings, StudyConfig
from weft.study.choice import LEDGER, MODEL, best_run, run_of
from weft.study.presets import resolve
from weft.study.record import Outcome, RunKey

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]  (it ships none)
    from peft import LoraConfig

    from weft.classifier import Classifier
    from weft.evidence.answer import Answer
    from weft.evidence.ladder import Refusal
    from weft.report.gathered import Gathered


class Study:
    """A protocol and a grid of runs over one data set and one backbone, in one folder.

    Args:
        data: `demo`, `sst2`, a file or folder, a hub name, or a TOML file; or the settings of the
            data, e.g. `{"source": "reviews.csv", "text": "body"}`.
        backbone: `minilm`, a folder or a hub id; or the settings of the backbone, e.g.
            `{"name": "minilm", "pooling": "cls"}`.
        sizes: training sizes, ascending; or as typed, e.g. `"250:16000:7"`, which is a ladder of 7.
        seeds: how many seeds each size gets.
        methods: any of `lora`, `bitfit`, `full`, `probe`, `tfidf`.
        grid: values to try of further settings, by the setting's name or its option's, e.g.
            `{"learning_rate": [5e-4, 1e-3], "pooling": ["cls", "mean"]}`; validation chooses.
        lora: the adapter; a `peft.LoraConfig` is taken as it is.
        out: the study's folder; None: `weft-studies/NAME-BACKBONE`.
        settings: all other settings, as in the TOML that `--show-config` prints, e.g.
            `recipe={"epochs": 3}`.

    Raises:
        ConfigError: names every setting that cannot be used.
    """

    def __init__(
        self,
        data: str | Path | Mapping[str, Any] = "demo",
        *,
        backbone: str | Mapping[str, Any] | None = None,
        sizes: Sequence[int] | str | None = None,
        seeds: int | None = None,
        methods: Sequence[str] | None = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        lora: LoraConfig | LoraSettings | Mapping[str, Any] | None = None,
        out: str | Path | None = None,
        **settings: Any,
    ) -> None:
        over: dict[str, Any] = {
            **settings,
            "sizes": sizes if sizes is None or isinstance(sizes, str) else list(sizes),
            "seeds": seeds,
            "methods": None if methods is None else list(methods),
            "grid": None if grid is None else dict(grid),
            "lora": None if lora is None else _lora(lora),
        }
        if backbone is not None:
            over["backbone"] = {"name": backbone} if isinstance(backbone, str) else dict(backbone)
        if isinstance(data, Mapping):
            over["data"] = dict(data)
            data = str(data.get("source", "demo"))
        self.config: StudyConfig = resolve(str(data), over)
        self.folder = Path(out) if out is not None else default_folder(self.config)

    @classmethod
    def of(cls, config: StudyConfig, folder: Path) -> Study:
        """The study of a whole configuration."""
        study = cls.__new__(cls)
        study.config, study.folder = config, folder
        return study

    def run(
        self,
        watch: Callable[[object], None] | None = None,
        command: str | None = None,
        log_to: Sequence[str] = (),
    ) -> Result:
        """Makes every run not made yet, writes the report, and returns the result.

        Args:
            watch: called with every event; None: silence.
            command: what stands in the report as the command; None: the Python call.
            log_to: `tensorboard` or `mlflow`, or both, where runs can be watched too; each with a
                place of its own behind `=`: `tensorboard=FOLDER`, `mlflow=URI`.

        Raises:
            WeftError: the data, the backbone or the folder cannot be used.
        """
        from weft.report import gather, read, write_gathered
        from weft.study.runner import run_study
        from weft.tracking import trackers

        with trackers(log_to, self.folder) as track:

            def told(event: object) -> None:
                track(event)
                if watch is not None:
                    watch(event)

            complete = run_study(
                self.config,
                self.folder,
                told,
                command or f"weft.Study({self.config.data.source!r}, ...).run()",
            )
        found = gather(read(self.folder))
        return Result(self.folder, complete, write_gathered(found), gathered=found)


class Result:
    """A study's outcome, read from its folder; table and answer are of the moment they are asked.

    Args:
        folder: the study's.
        complete: whether every run of it is finished.
        files: what the report wrote.
        gathered: what was computed for the report; None: computed when it is asked for.
    """

    def __init__(
        self,
        folder: str | Path,
        complete: bool = True,
        files: Sequence[Path] = (),
        gathered: Gathered | None = None,
    ) -> None:
        self.folder, self.complete, self.files = Path(folder), complete, list(files)
        self._given = gathered

    @cached_property
    def gathered(self) -> Gathered:
        """All that the report says, as numbers: intervals, comparisons, forecast, calibration."""
        from weft.report import gather, read

        return self._given or gather(read(self.folder))

    @property
    def runs(self) -> pd.DataFrame:
        """A row per run: its place in the grid, status, costs and scores."""
        from weft.study.ledger import Ledger

        with Ledger(self.folder / LEDGER, readonly=True) as ledger:
            return ledger.runs()

    @property
    def table(self) -> pd.DataFrame:
        """A row per size and method, or its settings: mean scores, their spread and intervals."""
        return self.gathered.table

    @property
    def answer(self) -> str:
        """Whether more labels would help, and how many are needed, in words."""
        return " ".join(self.gathered.answer)

    def forecast(self, target: float | None = None) -> Answer | Refusal:
        """The score expected at 2 and 4 times the largest size, and the labels a target takes.

        Args:
            target: accuracy wanted, a share.

        Raises:
            StudyError: no run is finished.
        """
        from weft.errors import StudyError
        from weft.report.forecast import foreseen

        found = self.gathered
        if found.ahead is None:
            raise StudyError(
                f"the study in {self.folder} has no finished run to forecast from",
                remedy="run it to its end: `weft study` with the same settings goes on with it",
            )
        if target is None or target == found.target:
            return found.ahead.said
        return foreseen(found.main, found.ahead.method, target).said

    def best_run(self) -> tuple[RunKey, Outcome]:
        """The run that validation chooses, and what came out of it."""
        return best_run(self.folder)

    def run_of(
        self, method: str, size: int, seed: int = 0, variant: str | None = None
    ) -> tuple[RunKey, Outcome]:
        """One run by its place in the grid, and what came out of it; of several, the latest.

        Args:
            method: its method.
            size: training examples.
            seed: its seed.
            variant: its settings on the grid, as `runs` and `table` name them; None: any.

        Raises:
            StudyError: no such run is finished.
        """
        return run_of(self.folder, method, size, seed, variant)

    def best(self) -> Classifier:
        """The model that validation chooses; test never does."""
        from weft.classifier import load

        return load(self.folder / "runs" / self.best_run()[0].run_id / MODEL)


def default_folder(config: StudyConfig) -> Path:
    """Where a study lies if nothing else is said."""
    return Path("weft-studies") / f"{config.name}-{Path(config.backbone.name).name}"


def _lora(lora: LoraConfig | LoraSettings | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(lora, LoraSettings):
        return lora.model_dump()
    if isinstance(lora, Mapping):
        return dict(lora)
    from weft.export.peft import GIVEN, lora_settings

    return lora_settings(cast("dict[str, Any]", lora.to_dict()), GIVEN).model_dump()
