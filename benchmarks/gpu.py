"""The nine trainings of the published study on one GPU, beside Trainer with PEFT.

    python benchmarks/gpu.py --data SST2

Three sizes with three seeds each, on the architecture of bert-base-uncased with random weights
(speed does not depend on them), five epochs, validation after each, nothing stops early. Ours is
one bank; its clock runs over reading weights, tokenising, training, validations and tests, and not
over imports. They are trained twice: the first time the machine also compiles kernels. The peer's
clock runs over `Trainer.train()` alone; it trains each size once, and not the largest: that one is
taken from the seconds that an example more took it between the other two. Writes
`results/gpu.json` and, from a short training, a profile into `results/gpu_profile.txt`. --quick
shows on any machine that the program works: a tiny encoder, few texts, nothing kept but what --out
names.
Exit codes: 0 measured, whether targets are met or not, 1 failed, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from measure import peers
from measure.bench import Bench, random_bert
from measure.pace import CLASSES, QUICK, SEEDS, SIZES, Pace
from weft.config import BackboneSettings, BankSettings, LoraSettings, Recipe
from weft.errors import WeftError
from weft.machine import describe, versions
from weft.nn.backbone import choose_precision, load
from weft.nn.bank import Bank
from weft.nn.source import find
from weft.study.presets import SST2
from weft.text.tokens import tokenize
from weft.training.events import RunEnd, RunFailed, Stepped
from weft.training.inference import Packed
from weft.training.loop import train
from weft.training.slots import Job, Judges

OUT = Path(__file__).parent / "results" / "gpu.json"
SECONDS, TIMES = 60.0, 20.0  # targets: of ours, on one H200; and the peer's over ours
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64}  # fmt: skip
PROFILED = 100  # steps, after as many that warm up


@dataclass(frozen=True)
class Trainings:
    """What both sides train."""

    bench: Bench
    folder: Path
    """Of the encoder."""
    sizes: tuple[int, ...]
    device: str

    def ours(self, steps: int | None = None) -> tuple[float, int]:
        """Seconds and steps of all trainings in one bank.

        Args:
            steps: stops after so many; None: when all have ended.
        """
        begin = time.perf_counter()
        epochs = self.bench.pace.epochs
        settings = BackboneSettings.model_validate(
            {
                "name": str(self.folder),
                "pooling": "cls",
                "precision": choose_precision("auto", self.device),
            }
        )
        loaded = load(find(settings), settings, CLASSES)
        lora = LoraSettings.model_validate(SST2["lora"])
        bank = Bank(loaded, lora, SEEDS * len(self.sizes), device=self.device)
        recipe = Recipe.model_validate({**SST2["recipe"], "epochs": epochs, "patience": epochs})
        splits = self.bench.splits
        validation, test = splits.validation, splits.test
        judges = Judges(
            Packed.of(tokenize(loaded.tokenizer, validation.texts, None, loaded.max_length), bank),
            validation.labels,
            Packed.of(tokenize(loaded.tokenizer, test.texts, None, loaded.max_length), bank),
        )
        pool = splits.pool
        every = tokenize(loaded.tokenizer, pool.texts, None, loaded.max_length)
        jobs: list[Job] = []
        for size in sorted(self.sizes, reverse=True):
            for seed in range(SEEDS):
                index = splits.order(seed)[:size]
                tokens, labels = every.take(index), pool.labels[index]
                jobs.append(Job(f"{size}-{seed}", seed, tokens, labels, recipe))
        taken = ended = 0
        for event in train(bank, jobs, judges, BankSettings(slots=bank.slots)):
            if isinstance(event, RunFailed):
                raise RuntimeError(f"{event.run_id}: {event.reason}")
            taken += isinstance(event, Stepped)
            ended += isinstance(event, RunEnd)
            if taken == steps:
                break
        else:
            assert ended == len(jobs)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begin, taken

    def peers(self) -> dict[int, float]:
        """Seconds of one training of the peer, by size."""
        changes: dict[str, Any] = {}
        if self.device == "cuda":
            changes = {"use_cpu": False, "dataloader_pin_memory": True}
        return peers.study(self.bench, self.folder, self.sizes, **changes)

    def profiled(self) -> str:
        """Where the time of a few steps goes, operator by operator, those that take most first."""
        self.ours(PROFILED)
        kinds, order = [ProfilerActivity.CPU], "self_cpu_time_total"
        if self.device == "cuda":
            kinds, order = [*kinds, ProfilerActivity.CUDA], "self_device_time_total"
        with profile(activities=kinds) as seen:
            self.ours(PROFILED)
        return seen.key_averages().table(sort_by=order, row_limit=40)


def result(
    seconds: Sequence[float], steps: int, peer: dict[int, float], arguments: argparse.Namespace
) -> dict[str, Any]:
    """What is written; targets hold for one H200 and the whole table alone."""
    theirs = SEEDS * sum(peer.values())
    first, again = seconds
    counts = not arguments.quick
    return {
        "schema": 2,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "quick": arguments.quick,
        "machine": {**describe(), "device": _device(arguments.device)},
        "versions": versions(),
        "trainings": {"sizes": list(arguments.sizes), "seeds": SEEDS, "epochs": arguments.epochs},
        "ours": {"seconds": again, "first": first, "steps": steps, "target": SECONDS,
                 "met": counts and again < SECONDS, "first_met": counts and first < SECONDS},
        "peer": {
            "what": "Trainer + PEFT, length-grouped, bf16",
            "seconds": theirs,
            "trained": list(arguments.peer_sizes),
            "of_each": {str(size): own for size, own in sorted(peer.items())},
            "ratio": theirs / again if peer else None,
            "target": TIMES,
            "met": counts and bool(peer) and theirs / again >= TIMES,
        },
    }  # fmt: skip


def main() -> int:
    """Runs the command line and returns its exit code."""
    arguments = _parse()
    pace = QUICK if arguments.quick else Pace()
    arguments.epochs = pace.epochs
    out = arguments.out or (None if arguments.quick else OUT)
    try:
        with tempfile.TemporaryDirectory(prefix="weft-gpu-") as scratch:
            bench = Bench(
                data=arguments.data.resolve(),
                scratch=Path(scratch),
                pace=pace,
                repeats=1,
                study_sizes=arguments.sizes,
                peer_sizes=arguments.peer_sizes,
            )
            folder = random_bert(Path(scratch) / "bert", **(TINY if arguments.quick else {}))
            trainings = Trainings(bench, folder, arguments.sizes, arguments.device)
            seconds: list[float] = []
            steps = 0
            for _ in range(2):
                took, steps = trainings.ours()
                print(f"weft: {took:,.1f} s, {steps:,} steps", file=sys.stderr)
                seconds.append(took)
            peer = trainings.peers() if arguments.peer_sizes else {}
            found = result(seconds, steps, peer, arguments)
            print(json.dumps(found, indent=2))
            if out is not None:
                out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
                table = trainings.profiled()
                out.with_name(f"{out.stem}_profile.txt").write_text(table, encoding="utf-8")
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _device(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "none: on the CPU"


def _parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of GLUE's SST-2 TSVs")
    parser.add_argument("--out", type=Path, help="JSON file; the profile goes beside it")
    parser.add_argument("--quick", action="store_true", help="a try on a tiny encoder")
    parser.add_argument(
        "--peer-sizes", type=int, nargs="*",
        help="that the peer really trains, two or more (all but the largest); none: no peer",
    )  # fmt: skip
    arguments = parser.parse_args(words)
    arguments.sizes = (32, 48, 64) if arguments.quick else SIZES
    if arguments.peer_sizes is None:
        arguments.peer_sizes = arguments.sizes[:-1]
    arguments.peer_sizes = tuple(arguments.peer_sizes)
    if len(arguments.peer_sizes) == 1 or not {*arguments.peer_sizes} <= {*arguments.sizes}:
        parser.error(f"--peer-sizes takes two or more of {', '.join(map(str, arguments.sizes))}")
    arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.device == "cpu" and not arguments.quick:
        parser.error("there is no GPU that torch can use; --quick shows that the program works")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
