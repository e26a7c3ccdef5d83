"""`weft predict`: texts, a file or standard input in; CSV or JSON Lines out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


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
    if texts:
        given = Texts(lambda: iter(texts))
    elif file is not None:
        given = read_texts(file, column, pair_column)
    else:
        given = lines_in(spooled(sys.stdin.buffer, "standard input"))
    classifier = load(model, backbone=backbone)
    labels = [str(name) for name in classifier.classes_]
    as_json = json or out_format == "jsonl"
    if not as_json:
        _write_header(labels, pairs=given.seconds is not None)
    for first, second in given.batches(_BATCH):
        rows = classifier.predict_proba(first, second, calibrated=not raw)
        _write(first, second, labels, rows.tolist(), as_json)


_BATCH = 4096  # texts that are held at once


def _write_header(labels: list[str], *, pairs: bool) -> None:
    import csv

    given = ["text", "text_pair"] if pairs else ["text"]
    head = [*given, "label", "probability", *(f"p:{name}" for name in labels)]
    csv.writer(sys.stdout, lineterminator="\n").writerow(head)


def _write(
    texts: list[str],
    pairs: list[str] | None,
    labels: list[str],
    rows: list[list[float]],
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
            line = dict(zip(given, inputs, strict=True))
            line |= {
                "label": labels[top],
                "probability": round(row[top], 6),
                "probabilities": shares,
            }
            print(json.dumps(line, ensure_ascii=False))
        else:
            writer.writerow([*inputs, labels[top], *(f"{share:.6f}" for share in (row[top], *row))])
