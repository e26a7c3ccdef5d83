"""The readers under files that were harmed at random: the right kind of error, at once, or data."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import pytest
from tests.faults.mutations import mutated, valid_files
from tests.peak import peak_memory

from weft.config import DataSettings
from weft.data.assemble import assemble
from weft.data.content import content_in
from weft.data.readers import read_bytes
from weft.data.unlabelled import lines_in
from weft.errors import DataError

_SHARES = {".csv": 0.32, ".tsv": 0.2, ".jsonl": 0.28, ".txt": 0.1, ".parquet": 0.1}
_SECONDS = 2.0  # of the processor, for one file of a few kilobytes
_GROWTH = 64 << 20  # bytes of memory, of the whole process by one file


@dataclass
class Found:
    """What became of the files."""

    read: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0.0


def fuzz(count: int, seed: int) -> Found:
    """Reads `count` harmed files whole, as a study does; anything but data or DataError fails."""
    files, found = valid_files(), Found()
    everything = [raw for kind in files.values() for raw in kind]
    draw, held = random.Random(seed), peak_memory()
    for number in range(count):
        suffix = draw.choices(list(_SHARES), list(_SHARES.values()))[0]
        raw = mutated(draw.choice(files[suffix]), everything, draw)
        what = f"file {number} of seed {seed}, {suffix}, {raw[:200]!r}"
        began = time.process_time()
        try:
            with _no_hang(what):
                _read(raw, suffix)
            found.read[suffix] += 1
        except DataError as error:
            found.refused[suffix] += 1
            _look_at(error, what)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {what}") from error
        found.slowest = max(found.slowest, time.process_time() - began)
        held, before = peak_memory(), held
        assert held - before < _GROWTH, what
    return found


def _read(raw: bytes, suffix: str) -> None:
    if suffix == ".txt":
        for _ in lines_in(content_in(raw, "f")).batches(4):
            pass
        return
    table = read_bytes(raw, suffix, "f")
    data = assemble("f", {"train": table}, DataSettings(source="f"), "Made up.")
    assert len(data.train) + len(data.test) <= len(table)
    for examples in (data.train, data.test):
        assert all(text.strip() for text in examples.texts)
        "".join(examples.texts).encode()
    "".join(data.label_names).encode()


def _look_at(error: DataError, what: str) -> None:
    """It names the file and a remedy, and is no longer than a user reads."""
    assert error.problem.startswith("f"), what
    assert error.remedy, what
    assert len(str(error)) < 4000, f"{len(str(error))} characters: {what}"


@contextmanager
def _no_hang(what: str) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still not read after {_SECONDS} s: {what}")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def told(found: Found) -> str:
    """The counts as `make faults ARGS=-s` prints them."""
    kinds = [f"{kind} {found.read[kind]:,}/{found.refused[kind]:,}" for kind in _SHARES]
    whole = found.read.total() + found.refused.total()
    return (
        f"\nharmed files: {whole:,}; read {found.read.total():,}, refused in words "
        f"{found.refused.total():,} ({', '.join(kinds)}); slowest {found.slowest:.3f} s; "
        f"memory at most {peak_memory() >> 20:,} MiB"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="timers and memory as Linux has them")
@pytest.mark.parametrize(
    ("count", "seed"),
    [(2_000, 1), pytest.param(100_000, 2, marks=pytest.mark.slow)],
)
def test_harmed_files_are_read_or_refused_in_words(count: int, seed: int) -> None:
    found = fuzz(count, seed)
    print(told(found))
    for kind in _SHARES:  # both ways are gone, or the files are not harmed as they should be
        assert found.refused[kind], kind
        assert found.read[kind], kind


def test_unharmed_files_are_read() -> None:
    for suffix, files in valid_files().items():
        for raw in files:
            _read(raw, suffix)
