"""`weft export`: a model for others, with a certificate that it computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    model: Annotated[
        str, typer.Argument(help="A model's folder (ours or PEFT's), STUDY:best or STUDY:RUN.")
    ],
    to: Annotated[
        Literal["peft", "merged", "onnx"],
        typer.Option("--to", help="peft (adapter), merged (transformers alone) or onnx."),
    ],
    int8: Annotated[
        bool, typer.Option("--int8", help="ONNX with weights of 8 bits: smaller, less exact.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; else weft-export-FORM.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="File of texts to compare on; else the study's, or the demo reviews."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--text", help="Column of the text in that file.")
    ] = None,
    pair_column: Annotated[
        str | None, typer.Option("--text-pair", help="Column of the second text in that file.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Where the encoder is, if not where the model says.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Of the export, e.g. apache-2.0, for its card.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="Repository of the hub to upload to, owner/name.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="A repository that --push makes is private.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="The certificate on standard output.")
    ] = False,
) -> None:
    """Write a model for others, load it as they do, and certify that it computes the same."""
    from weft.errors import TrainingError
    from weft.release.certificate import sentence
    from weft.release.export import Wanted, export
    from weft.release.usage import CODE, loading
    from weft.study.choice import model_folder

    folder = out or Path(f"weft-export-{to}")
    if push is not None:
        from weft.release.push import check_push

        check_push(push)  # before any long work
    made = export(
        Wanted(
            model=model_folder(model),
            target=to,
            out=folder,
            title=push or folder.resolve().name,
            int8=int8,
            on_hub=push is not None,
            backbone=backbone,
            licence=licence,
            texts=texts,
            text=column,
            text_pair=pair_column,
        )
    )
    if json:
        print(made.model_dump_json(indent=2))
    else:
        print(f"certificate {sentence(made)}")
    if not made.passed:
        raise TrainingError(
            "the export does not compute what the model computes",
            found=sentence(made),
            remedy=f"another form may: see --to; nothing was written, {folder} is as it was",
        )
    if not json:
        print(f"model       {folder}  (README.md is its card)")
        mean = to == "merged" and (folder / CODE).is_file()
        print(f"use         {loading(to, str(folder), mean=mean)}")
        if mean:
            print(f"            (it runs {CODE}, which pools by the mean; else refused)")
    if push is not None:
        from weft.release.push import push as upload

        print(f"pushed      {upload(folder, push, private=private)}")
