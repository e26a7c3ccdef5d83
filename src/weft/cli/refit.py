"""`weft train --from STUDY`: a study's winning recipe on all its labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLACES = {"data": {"source", "folder"}, "backbone": {"name"}}
"""What may be said beside `--from`: where data and encoder lie now."""


def refit_and_print(
    study: Path,
    data: str | None,
    given: Mapping[str, Any],
    out: Path,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Trains, saves, and says what may be claimed.

    Args:
        study: its folder.
        data: where its data are now; None: where it says.
        given: the tree of settings that were typed.

    Raises:
        ConfigError: a setting is given that the study decides.
        StudyError: data or backbone are not those of the study.
        TrainingError: its loss is no number any more.
    """
    from weft.cli.progress import Progress
    from weft.cli.tenths import Tenths
    from weft.errors import ConfigError
    from weft.export import card
    from weft.release import claim as claims
    from weft.release import model_card
    from weft.study.faults import validated
    from weft.study.refit import Refitted, refit
    from weft.study.runner import typed_command
    from weft.study.trees import flat, merged
    from weft.study.winner import winner

    odd = [
        name
        for name in flat(given)
        if name.rpartition(".")[2] not in _PLACES.get(name.partition(".")[0], set())
    ]
    if odd:
        raise ConfigError(
            "with --from, the study decides how the model is trained",
            found=", ".join(odd),
            remedy="leave them out, or train without --from",
        )
    places = merged({"data": {"source": data}} if data is not None else {}, dict(given))
    chosen = winner(study)
    config = validated(merged(chosen.config.model_dump(), places))
    chosen = chosen.at(config)
    said: list[claims.Claim] = []

    def describe(made: Refitted) -> None:
        claim = claims.of_refit(study, made)
        claims.write(out, claim)
        described = model_card.Described(out.resolve().name, card.read(out), claim, None)
        model_card.write(out, described)
        said.append(claim)

    with Progress(quiet=quiet, as_json=as_json) as progress:
        refit(study, chosen, out, Tenths(progress), typed_command(), describe)
    (claim,) = said
    if as_json:
        print(claim.model_dump_json(indent=2))
        return
    for sentence in claim.sentences:
        print(sentence)
    print(f"model     {out}  (README.md is its card)")
    print(f'next      weft predict {out} "your own sentence"')
