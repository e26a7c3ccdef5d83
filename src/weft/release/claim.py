"""What may be said of a saved model's score, in words and numbers: `claim.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from weft.errors import AdapterError
from weft.evidence.metrics import score
from weft.evidence.recipe import ScoreIntervals, score_intervals
from weft.randomness import generator_for
from weft.report.answer import between, scored
from weft.report.convergence import STOPPED, stopped
from weft.report.formats import count, percent
from weft.report.gathered import Gathered, gather
from weft.report.intervals import SCORED, of_score
from weft.report.rows import WITHHELD, read, section, withheld
from weft.study.choice import LEDGER
from weft.study.ledger import Ledger
from weft.study.record import RunKey

if TYPE_CHECKING:
    from weft.evidence.scores import Scores
    from weft.study.refit import Refitted

FILE = "claim.json"
SCHEMA = 1


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Plain):
    """One score of this very model on test, with its 95 % interval where one is offered."""

    metric: Literal["accuracy", "f1", "loss"]
    value: float
    low: float | None
    high: float | None


class Claim(_Plain):
    """What may be said; the schema version comes first."""

    schema_version: int = SCHEMA
    sentences: list[str]
    data: str
    """The data set's name."""
    source: str
    """As the user gave it."""
    hashes: dict[str, str]
    """sha256 of the data, by file or split."""
    test_examples: int
    scores: list[Score]
    """Empty where scores say nothing: the encoder's weights are random."""
    study: str | None = None
    """Where its study lies, as it was typed; stays on this machine."""


def write(folder: Path, claim: Claim) -> None:
    """Writes `claim.json` into the folder."""
    (folder / FILE).write_text(claim.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_claim(folder: Path) -> Claim | None:
    """A folder's claim; None where there is none.

    Raises:
        AdapterError: it is damaged, or of a newer weft.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return Claim.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise AdapterError(
            f"{path} cannot be read",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            remedy="delete that file: it only says how good the model is",
        ) from error


def of_run(study: Path, run_id: str) -> Claim:
    """Of a model that a study made.

    Raises:
        StudyError: the folder holds no study that can be read.
    """
    found = gather(read(study))
    facts = found.view.facts
    with Ledger(study / LEDGER, readonly=True) as ledger:
        key = next(k for k in ledger.keys() if k.run_id == run_id)  # noqa: SIM118 (it is no dict)
        outcome = ledger.outcome(run_id)
    assert outcome is not None, "a model of a run that is not done"
    held = section(facts, "data").get("validation", 0)
    said = [
        (
            f"Trained on {count(key.size, 'label')} of {_data(facts)} by {key.name}, seed "
            f"{key.seed}. {count(held, 'validation example')} chose its {outcome.chosen} "
            "and fitted its temperature."
        )
    ]
    said += _stopped(outcome.extra)
    own = found.adapters.get(run_id)
    said += _own_score(facts, outcome.test, own)
    said += _of_recipe(found, key)
    return _claim(facts, study, said, outcome.test, own)


def of_refit(study: Path, made: Refitted) -> Claim:
    """Of a model trained on all labels by a study's winning recipe.

    Raises:
        StudyError: the folder holds no study that can be read.
    """
    found = gather(read(study))
    facts, chosen, test = found.view.facts, made.winner, made.data.test
    own: ScoreIntervals | None = None
    if len(test) > 1:
        draws = generator_for("F1 on test", "all labels", made.labels)
        rows = made.test[None]
        _, (own,) = score_intervals(rows, test.labels, made.data.positive, draws)
    scores = score(test.labels, made.test, made.data.positive)
    key = chosen.key
    said = [
        (
            f"Trained from all {count(made.labels, 'label')} of {_data(facts)}, those of "
            f"validation among them, by the recipe that validation chose in the study "
            f"{facts.get('name')}: {key.name} at {count(key.size, 'label')}."
        )
    ]
    if made.steps is not None and made.examples is not None:
        said[0] += (
            f" It took {count(made.steps, 'step')}, as found by {count(chosen.seeds, 'run')} of "
            "the study: "
        )
        if made.examples < made.labels:
            said[0] += f"{made.examples:,} of them, drawn at random, once; the others not at all."
        else:
            said[0] += f"{made.examples / made.labels:.1f} passes."
    said += _stopped(made.extra)
    said.append(
        "No validation score can be given: it trained from those examples too. Its temperature is "
        "that of the study's run, which had not."
    )
    said += _own_score(facts, scores, own)
    said += _of_recipe(found, key)
    if not withheld(facts):
        said.append(
            "What the further labels brought was not measured beyond that: compare the two only "
            "within their intervals."
        )
    return _claim(facts, study, said, scores, own)


def _own_score(facts: dict[str, Any], test: Scores, own: ScoreIntervals | None) -> list[str]:
    if withheld(facts):
        return [WITHHELD]
    offered = own is not None and own.accuracy.low is not None
    interval = f" (95 % interval {between(own.accuracy)})" if own is not None and offered else ""
    return [
        (
            f"Test accuracy of this very model: {percent(test.accuracy)}{interval} on "
            f"{count(test.examples, 'test example')}, none of which trained it or chose anything."
        )
    ]


def _stopped(extra: Mapping[str, Any]) -> list[str]:
    """That its logistic regression did not converge, where so."""
    return [STOPPED] if stopped(extra) else []


def _of_recipe(found: Gathered, key: RunKey) -> list[str]:
    """The recipe's expected score in the study, and how often test was looked at."""
    if withheld(found.view.facts):
        return []
    said: list[str] = []
    cell = found.every.get((key.name, key.size))
    if cell is not None and len(cell.answers.seeds) > 1:
        mean = float(cell.answers.correct.mean())
        said.append(
            f"In the study this recipe scored {scored(mean, cell)} "
            f"at {count(key.size, 'label')}, over {count(len(cell.answers.seeds), 'seed')}."
        )
    said.append(f"The study looked at test with {count(found.looks, 'run')}.")
    return said


def _claim(
    facts: dict[str, Any],
    study: Path,
    said: Sequence[str],
    test: Scores,
    own: ScoreIntervals | None,
) -> Claim:
    data = section(facts, "data")
    values = {"accuracy": test.accuracy, "f1": test.f1, "loss": test.loss}
    scores = [
        Score(
            metric=name,  # pyright: ignore[reportArgumentType]  (one of SCORED)
            value=values[name],
            low=None if own is None else of_score(own, name).low,
            high=None if own is None else of_score(own, name).high,
        )
        for name in SCORED
        if not withheld(facts)
    ]
    return Claim(
        sentences=list(said),
        data=str(data.get("name")),
        source=str(section(section(facts, "config"), "data").get("source")),
        hashes=data.get("hashes", {}),
        test_examples=test.examples,
        scores=scores,
        study=str(study),
    )


def _data(facts: dict[str, Any]) -> str:
    return str(section(facts, "data").get("name"))
