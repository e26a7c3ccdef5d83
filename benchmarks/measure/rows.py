"""The rows of the table: what is compared with what, and what was promised. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from measure.pace import RUNS


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Sides are named as the group's module names them; `weft` is always ours.
    """

    id: str
    group: str
    """Rows of a group are measured together, their sides in turn."""
    what: str
    peer: str
    ours: str
    theirs: str | None
    """None where the figure itself is what counts."""
    target: float
    unit: str = "examples/s"
    sense: Literal["at least", "at most"] = "at least"
    bare: str | None = None
    """The side of bare products that says what this machine allows."""
    note: str = ""

    @property
    def speed_up(self) -> bool:
        """Whether the ratio is the peer's figure over ours: of seconds, fewer are better."""
        return self.unit == "s"


BERT, MINILM = "BERT's shape", "MiniLM"
DYNAMIC = "Trainer + PEFT, dynamic padding, bf16"
BARE = "bare matrix products"
NOTEBOOK = "the published notebook's recipe: padding to 512, float32, an extra forward"
PIPELINE = "transformers.pipeline(batch_size=32)"
SORTED = "the same model in bf16, sorted by length"
ONNX = "ONNX Runtime's best, sorted by length"
STRETCH = "the peer's clock covers one stretch of 50 batches, from long texts to short"
OWN_BYTES = "our adapters' bytes are weights, gradients and AdamW's moments, heads included"
SPEED_ALONE = "random weights: labels mean nothing, so the fastest of all is taken"
FEWER = "the peer predicts fewer texts"


def _training() -> Iterator[Row]:
    single, bank = f"{BERT}, one run", f"{BERT}, bank of {RUNS}"
    grouped = f"{DYNAMIC}, length-grouped"
    yield Row("a", "bert", single, DYNAMIC, "weft", "dynamic", 6, bare="bare")
    yield Row("b", "bert", single, grouped, "weft", "grouped", 2.75, bare="bare", note=STRETCH)
    yield Row("c", "bert", bank, DYNAMIC, "weft-bank", "dynamic", 10, bare="bare-bank")
    yield Row("d-single", "bert", single, BARE, "weft", "bare", 0.5)
    yield Row("d-bank", "bert", bank, BARE, "weft-bank", "bare-bank", 0.6)

    float32 = f"{single}, float32"
    peer = "Trainer + PEFT, dynamic padding, float32"
    ours, theirs, bare = "weft-float32", "dynamic-float32", "bare-float32"
    yield Row("f", "bert-float32", float32, peer, ours, theirs, 2, bare=bare)
    yield Row("f-bare", "bert-float32", float32, f"{BARE}, float32", ours, bare, 0.8)

    single, bank = f"{MINILM}, one run", f"{MINILM}, bank of {RUNS}"
    yield Row("g", "minilm", single, DYNAMIC, "weft", "dynamic", 6, bare="bare")
    yield Row("h", "minilm", bank, DYNAMIC, "weft-bank", "dynamic", 12, bare="bare-bank")


def _prediction(backbone: str, shown: str, note: str) -> Iterator[Row]:
    group, what, unit = f"predict-{backbone}", f"{shown}, prediction", "texts/s"
    for kind, peer, side, target in (
        ("pipeline", PIPELINE, "pipeline", 15),
        ("bf16", SORTED, "bf16", 2),
    ):
        yield Row(f"i-{kind}-{backbone}", group, what, peer, "weft", side, target, unit, note=FEWER)
    yield Row(f"j-{backbone}", group, what, ONNX, "weft", "onnx", 1.5, unit, note=note)


def _processes() -> Iterator[Row]:
    for row, runs, ours in (
        ("memory", "one run", "weft"),
        ("memory-bank", f"bank of {RUNS}", "weft-bank"),
    ):
        yield Row(
            row,
            "memory",
            f"{BERT}, {runs}, peak memory",
            f"{DYNAMIC}, one run, and our adapters' bytes",
            ours,
            f"dynamic + {ours}",
            1,
            "MiB",
            "at most",
            note=OWN_BYTES,
        )
    for backbone, shown in (("minilm", MINILM), ("bert", BERT)):
        what = f"{shown}, from the start of the study's process to the end of its first step"
        group = f"start-{backbone}"
        yield Row(group, group, what, "none", "weft", None, 6, "s", "at most")


def _long() -> Iterator[Row]:
    yield Row(
        "e",
        "bert-notebook",
        f"{BERT}, one run",
        NOTEBOOK,
        "weft",
        "notebook",
        550,
        note="a note about the recipe, not a headline; the peer takes one timed step a repeat, "
        "in two parts, since all 32 texts at once hold more than 24 GB",
    )
    yield Row(
        "k",
        "study",
        f"{MINILM}, the whole sst2 study",
        "the same trainings by Trainer + PEFT, length-grouped, bf16",
        "weft",
        "trainer",
        8,
        "s",
        note="ours is the whole process, the peer's the time in Trainer.train() alone",
    )


TABLE: tuple[Row, ...] = (
    *_training(),
    *_processes(),
    *_prediction("minilm", MINILM, ""),
    *_prediction("bert", BERT, SPEED_ALONE),
    *_long(),
)
"""In the order in which they are measured."""


def chosen(words: str | None) -> list[Row]:
    """The rows that are asked for by id, or by what stands before its hyphen; None: all.

    Raises:
        ValueError: there is no such row.
    """
    if words is None:
        return list(TABLE)
    asked = [word.strip() for word in words.split(",") if word.strip()]
    for word in asked:
        if not any(matches(row, word) for row in TABLE):
            raise ValueError(f"there is no row {word!r}; rows: {', '.join(r.id for r in TABLE)}")
    return [row for row in TABLE if any(matches(row, word) for word in asked)]


def matches(row: Row, word: str) -> bool:
    """Whether a word of --rows means this row."""
    return row.id == word or row.id.startswith(f"{word}-")


def sides(rows: Iterable[Row]) -> set[str]:
    """Every side that these rows need."""
    return {side for row in rows for side in (row.ours, row.theirs, row.bare) if side}


def by_group(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each group, groups in the order of the table."""
    return {group: [r for r in rows if r.group == group] for group in {r.group: 0 for r in rows}}
