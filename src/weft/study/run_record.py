"""What a study's folder says of its runs beside the ledger, so that this can be rebuilt. No torch.

`runs/<run>/run.json` has all that the ledger has of a run that ended; `runs/.study.json` the plan
and the facts. The epochs of runs under way lie in the checkpoint from which they go on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from weft.evidence.scores import Scores
from weft.study.ledger import Ledger
from weft.study.record import EpochRow, Outcome, RunKey
from weft.training.durable import make_folders, write_durably

RUN = "run.json"
STUDY = ".study.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Ended:
    """A run that is done, or failed with an error."""

    key: RunKey
    epochs: list[EpochRow]
    outcome: Outcome | None = None
    error: str | None = None


def write_run(folder: Path, run: Ended) -> None:
    """Writes a run's record into its folder; on the disk on return."""
    place = folder / "runs" / run.key.run_id
    make_folders(place)
    write_durably(place / RUN, _text({"schema": _SCHEMA, **asdict(run)}))


def read_run(folder: Path, key: RunKey) -> Ended | None:
    """A run's record; None where there is none of a run that ended.

    Raises:
        ValueError: the file is damaged, or of another run.
    """
    path = folder / "runs" / key.run_id / RUN
    if not path.is_file():
        return None
    try:
        tree = json.loads(path.read_bytes())
        epochs = [EpochRow(**_floats(EpochRow, row)) for row in tree["epochs"]]
        outcome: dict[str, Any] | None = tree["outcome"]
        if tree["key"]["run_id"] != key.run_id:
            raise ValueError(f"{path} is of {tree['key']['run_id']}")
        if outcome is None:
            return Ended(key, epochs, None, str(tree["error"]))
        values = _floats(Outcome, outcome)
        values |= {name: _scores(outcome[name]) for name in ("validation", "test")}
        return Ended(key, epochs, Outcome(**values))
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def write_study(folder: Path, ledger: Ledger) -> None:
    """Writes plan and facts beside the runs, as the ledger has them now."""
    make_folders(folder / "runs")
    keys = [asdict(key) for key in ledger.keys()]  # noqa: SIM118 (a ledger is no dict)
    tree = {"schema": _SCHEMA, "facts": ledger.facts(), "runs": keys}
    write_durably(folder / "runs" / STUDY, _text(tree))


def read_study(folder: Path) -> tuple[dict[str, Any], list[RunKey]] | None:
    """Facts and plan; None where they were never written, or cannot be read."""
    try:
        tree = json.loads((folder / "runs" / STUDY).read_bytes())
        return tree["facts"], [RunKey(**key) for key in tree["runs"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def epochs_as_words(epochs: Mapping[str, list[EpochRow]]) -> dict[str, Any]:
    """The epochs of runs under way, for a checkpoint's words."""
    return {run_id: [_plain(asdict(row)) for row in rows] for run_id, rows in epochs.items()}


def epochs_of_words(words: Mapping[str, Any]) -> dict[str, list[EpochRow]]:
    """`epochs_as_words` read again."""
    return {
        run_id: [EpochRow(**_floats(EpochRow, row)) for row in rows]
        for run_id, rows in words.items()
    }


def _scores(tree: dict[str, Any]) -> Scores:
    values = _floats(Scores, tree)
    values["confusion"] = tuple(tuple(row) for row in tree["confusion"])
    return Scores(**values)


def _floats(kind: Any, tree: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what is missing from a field of floats was one."""
    bare = {field.name for field in fields(kind) if field.type == "float"}
    return {
        name: math.nan if name in bare and value is None else value for name, value in tree.items()
    }


def _text(tree: dict[str, Any]) -> bytes:
    return (json.dumps(_plain(tree), indent=1, ensure_ascii=False) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(own) for name, own in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in cast("list[Any]", value)]
    return None if isinstance(value, float) and math.isnan(value) else value
