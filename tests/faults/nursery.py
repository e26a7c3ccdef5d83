"""Studies in processes of their own that can be killed: one loads torch, and others fork from it.

    python nursery.py PLACE

reads a JSON line a study from standard input and answers with one. A study runs in a fork, which
says a letter at each event; the parent kills it some microseconds after the wanted number of them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any


def main() -> None:
    import torch

    # the modules that a study loads on its way, so that a fork has them
    import weft.evidence.metrics
    import weft.methods.calibrated
    import weft.nn.skeleton
    import weft.release.claim
    import weft.study.recording
    import weft.study.refit
    import weft.study.standing  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _run(wanted: dict[str, Any]) -> dict[str, Any]:
    """Runs a study, and kills it after `events` of them and `wait` seconds; None: not at all.

    Returns:
        `code`, negative if killed by that signal; `events` seen; what a user was `said`.
    """
    readable, writable = os.pipe()
    heard, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        os._exit(_study(wanted, writable, mouth))
    os.close(writable)
    os.close(mouth)
    seen, limit = 0, wanted["events"]
    if limit == 0:
        time.sleep(wanted["wait"])
        os.kill(child, signal.SIGKILL)
    while letters := os.read(readable, 1):
        seen += len(letters)
        if seen == limit:
            time.sleep(wanted["wait"])
            os.kill(child, signal.SIGKILL)
    os.close(readable)
    with os.fdopen(heard, encoding="utf-8") as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "events": seen, "said": said}


def _study(wanted: dict[str, Any], writable: int, mouth: int) -> int:
    from weft.config import StudyConfig
    from weft.errors import WeftError
    from weft.study.runner import run_study

    if wanted.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["limit"], resource.RLIM_INFINITY))
    if wanted.get("breaks"):
        from weft.methods import banked

        banked.job = breaking(wanted["breaks"])
    folder = Path(wanted["folder"])

    def tell(_: object) -> None:
        os.write(writable, b".")

    try:
        if "study" in wanted:
            refit_described(Path(wanted["study"]), wanted["steps"], folder, tell)
            return 0
        config = StudyConfig.model_validate(wanted["config"])
        return 0 if run_study(config, folder, tell, "typed") else 1
    except WeftError as error:
        os.write(mouth, f"{type(error).__name__}: {error}".encode())
        return 2
    except BaseException:
        import traceback

        traceback.print_exc()
        return 3


def refit_described(study: Path, steps: int, out: Path, watch: Callable[[object], None]) -> None:
    """`weft train --from STUDY` without its words, as if the study had found so many steps."""
    from weft.release import claim
    from weft.study.refit import Refitted, refit
    from weft.study.winner import winner

    def describe(made: Refitted) -> None:
        claim.write(out, claim.of_refit(study, made))
        watch(made)

    chosen = replace(winner(study), steps=steps)
    refit(study, chosen, out, watch, "typed", describe)


def breaking(run: str) -> Callable[[Any, str, Any, Any], Any]:
    """`banked.job` as it is now, but runs whose id begins so have a learning rate that ends in
    NaN."""
    from weft.methods import banked

    job = banked.job

    def broken(materials: Any, method: str, recipe: Any, item: Any) -> Any:
        if item.run_id.startswith(run):
            recipe = recipe.model_copy(update={"learning_rate": 1e30})
        return job(materials, method, recipe, item)

    return broken


if __name__ == "__main__":
    main()
