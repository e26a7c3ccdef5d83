"""`weft predict`: texts, a file or standard input in; CSV or JSON Lines out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from weft.cli import options as o

if TYPE_CHECKING:
    from weft.study.assured import Assured


def predict(
    model: Annotated[
        str, typer.Argument(help="A model's folder (ours or PEFT's), STUDY:best or STUDY:RUN.")
    ],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; none: --file, or lines of standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A text file, one text a line, or a table.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--text", help="Column of the text in a table.")
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option("--text-pair", help="Column of the second text in a table.")
    ] = None,
    out_format: Annotated[
        Literal["csv", "jsonl"], typer.Option("--format", help="csv or jsonl.")
    ] = "csv",
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Probabilities without the temperature fitted on validation."),
    ] = False,
    target_precision: Annotated[
        float | None,
        typer.Option(
            "--target-precision",
            help="Marks the answers for which validation proves this precision, e.g. 0.95; a "
            "study's model alone.",
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Where the encoder is, if not where the model says.")
    ] = None,
) -> None:
    """Label texts with a saved model."""
    from weft.classifier import load
    from weft.data.content import spooled
    from weft.data.unlabelled import Texts, lines_in, read_texts
    from weft.errors import ConfigError

    if texts and file:
        raise ConfigError("texts and --file are given both", remedy="give one of them")
    o.refuse_no_share("--target-precision", "a precision", target_precision)
    if target_precision is not None and raw:
        raise ConfigError(
            "--target-precision goes by calibrated probabilities, and --raw gives others",
            remedy="leave out one of them",
        )
    if texts:
        given = Texts(lambda: iter(texts))
    elif file is not None:
        given = read_texts(file, column, pair_column)
    else:
        given = lines_in(spooled(sys.stdin.buffer, "standard input"))
    classifier = load(model, backbone=backbone)
    proved = None if target_precision is None else _proved(model, target_precision)
    labels = [str(name) for name in classifier.classes_]
    as_json = json or out_format == "jsonl"
    if not as_json:
        _write_header(labels, pairs=given.seconds is not None, marks=proved is not None)
    for first, second in given.batches(_BATCH):
        rows = classifier.predict_proba(first, second, calibrated=not raw)
        marks = None if proved is None else proved.of(rows).tolist()
        _write(first, second, labels, rows.tolist(), marks, as_json)


_BATCH = 4096  # texts that are held at once


def _proved(model: str, precision: float) -> Assured:
    """The threshold, which is told on standard error."""
    from weft.study.assured import assured
    from weft.study.choice import model_folder

    found = assured(model_folder(model), precision)
    print(found, file=sys.stderr)
    return found


def _write_header(labels: list[str], *, pairs: bool, marks: bool) -> None:
    import csv

    given = ["text", "text_pair"] if pairs else ["text"]
    said = ["label", "probability", "assured"] if marks else ["label", "probability"]
    head = [*given, *said, *(f"p:{name}" for name in labels)]
    csv.writer(sys.stdout, lineterminator="\n").writerow(head)


def _write(
    texts: list[str],
    pairs: list[str] | None,
    labels: list[str],
    rows: list[list[float]],
    marks: list[bool] | None,
    as_json: bool,
) -> None:
    import csv
    import json

    writer = csv.writer(sys.stdout, lineterminator="\n")
    given = ["text"] if pairs is None else ["text", "text_pair"]
    for place, (text, row) in enumerate(zip(texts, rows, strict=True)):
        top = max(range(len(row)), key=row.__getitem__)
        inputs = [text] if pairs is None else [text, pairs[place]]
        if as_json:
            shares = {name: round(share, 6) for name, share in zip(labels, row, strict=True)}
            line: dict[str, Any] = dict(zip(given, inputs, strict=True))
            line |= {"label": labels[top], "probability": round(row[top], 6)}
            line |= {} if marks is None else {"assured": marks[place]}
            print(json.dumps(line | {"probabilities": shares}, ensure_ascii=False))
        else:
            mark = [] if marks is None else [str(marks[place]).lower()]
            sure, *shares = (f"{share:.6f}" for share in (row[top], *row))
            writer.writerow([*inputs, labels[top], sure, *mark, *shares])
