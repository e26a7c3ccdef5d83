"""The house's walls: rooms import downwards, light rooms load no torch, nobody seeds globally."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"

# What each room may import beside itself, from the bottom up.
BOTTOM = {"config", "errors", "randomness", "hardware", "machine"}
ROOMS: dict[str, set[str]] = dict.fromkeys(BOTTOM, BOTTOM)
ROOMS["data"] = BOTTOM
ROOMS["evidence"] = BOTTOM
ROOMS["text"] = BOTTOM | {"data", "evidence"}
ROOMS["nn"] = ROOMS["text"] | {"text"}
ROOMS["training"] = ROOMS["nn"] | {"nn"}
ROOMS["export"] = ROOMS["nn"] | {"nn"}
ROOMS["methods"] = ROOMS["training"] | {"training", "export"}
ROOMS["study"] = ROOMS["methods"] | {"methods"}
ROOMS["report"] = BOTTOM | {
    *("evidence", "study.choice", "study.ledger", "study.predictions", "study.record"),
    *("study.label_errors", "study.reread"),
}
ROOMS["classifier"] = ROOMS["study"] | {"study"}
ROOMS["selection"] = ROOMS["classifier"] | {"classifier"}
ROOMS["tracking"] = BOTTOM | {
    *("study.notices", "study.record", "study.variants", "training.events")
}
ROOMS["api"] = ROOMS["classifier"] | {"classifier", "report", "tracking"}
ROOMS["release"] = ROOMS["api"] | {"api"}
ROOMS["serve"] = ROOMS["study"] | {"study"}
ROOMS["__init__"] = ROOMS["api"] | {"api", "selection"}
ROOMS["cli"] = ROOMS["__init__"] | {"__init__", "release", "serve"}
ROOMS["__main__"] = {"cli"}

LIGHT = {
    *BOTTOM,
    "data",
    "evidence",
    "report",
    "study",
    "study.choice",
    "study.label_errors",
    "study.ledger",
    "study.predictions",
    "study.record",
    "study.reread",
    "export.card",
    "release.certificate",
    "release.claim",
    "release.model_card",
    "study.refit",
    "study.winner",
    "selection",
    "tracking",
    "cli",
}
HEAVY = {"torch", "transformers", "peft", "accelerate", "sentence_transformers"}

GLOBAL_SEEDS = re.compile(
    r"(torch(\.random|\.cuda|\.mps|\.xpu)?\.(manual_seed|manual_seed_all|seed|seed_all)"
    r"|numpy\.random\.seed|random\.seed|.*\bset_seed|.*\bseed_everything)"
)


# Reading imports


@cache
def modules() -> dict[str, Path]:
    """Dotted name below weft to file; weft itself is `__init__`."""
    found: dict[str, Path] = {}
    for path in sorted((SRC / "weft").rglob("*.py")):
        parts = path.relative_to(SRC / "weft").with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


def imports(
    tree: ast.AST, package: str, *, module_level: bool = False
) -> Iterator[tuple[str, int]]:
    """Full dotted names imported and their lines; `package` is what relative imports start from."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif module_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        elif (
            module_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            for other in node.orelse:
                yield from imports(ast.Module([other], []), package, module_level=True)
        else:
            yield from imports(node, package, module_level=module_level)


def imports_of(name: str, *, module_level: bool = False) -> list[tuple[str, int]]:
    path = modules()[name]
    whole = "weft" if name == "__init__" else f"weft.{name}"
    package = whole if path.name == "__init__.py" else whole.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return list(imports(tree, package, module_level=module_level))


def inside(target: str) -> str | None:
    """The module of weft that an imported name is or lies in; None if it is not weft's."""
    if target != "weft" and not target.startswith("weft."):
        return None
    name = target.removeprefix("weft").lstrip(".")
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or "__init__"


def may_import(name: str, target: str) -> bool:
    """Whether module `name` of weft may import module `target` of weft, by the table above."""
    room = name.split(".")[0]
    return target.split(".")[0] == room or any(
        target == allowed or target.startswith(f"{allowed}.") for allowed in ROOMS[room]
    )


# Rooms


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_room_imports_downwards_only(name: str) -> None:
    room = name.split(".")[0]
    assert room in ROOMS, f"weft.{room} is a new room: give it its place in this test's table"
    wrong = [
        f"{modules()[name].relative_to(ROOT)}:{line} imports {target}"
        for target, line in imports_of(name)
        if (reached := inside(target)) is not None and not may_import(name, reached)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "target", "allowed"),
    [
        ("nn.bank", "text.packing", True),
        ("nn.bank", "nn.leaves", True),
        ("text.packing", "nn.bank", False),
        ("data.sources", "study.record", False),
        ("training.loop", "study", False),
        ("training.loop", "export.peft", False),
        ("methods.lora", "export.peft", True),
        ("export.peft", "methods.lora", False),
        ("training.loop", "study.record", False),
        ("report.tables", "study.ledger", True),
        ("report.tables", "study.ledger_file", False),
        ("report.tables", "study", False),
        ("report.tables", "data.sources", False),
        ("study.runner", "report.tables", False),
        ("config", "data", False),
        ("data.sources", "__init__", False),
        ("api", "cli", False),
        ("cli", "api", True),
    ],
)
def test_the_table_says_who_may_import_whom(name: str, target: str, allowed: bool) -> None:
    assert may_import(name, target) is allowed


def test_every_form_of_import_is_read() -> None:
    source = """
import weft.study
from weft.nn import bank as b
from . import sources
from ..errors import DataError
if TYPE_CHECKING:
    import torch
def f():
    import peft
class C:
    import transformers
"""
    every = [name for name, _ in imports(ast.parse(source), "weft.data")]
    assert every == [
        "weft.study",
        "weft.nn.bank",
        "weft.data.sources",
        "weft.errors.DataError",
        "torch",
        "peft",
        "transformers",
    ]
    at_import = {name for name, _ in imports(ast.parse(source), "weft.data", module_level=True)}
    assert set(every) - at_import == {"torch", "peft"}


def test_what_is_imported_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = declared["optional-dependencies"]
    wanted = ("minilm", "onnx", "serve", "mlflow")
    lines = [*declared["dependencies"], *(line for name in wanted for line in extras[name])]
    known = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in lines}
    known.add("triton")  # comes with torch's CUDA builds, and only what runs there asks for it
    homes = packages_distributions()
    undeclared = {
        f"{modules()[name].relative_to(ROOT)}:{line} imports {target}"
        for name in modules()
        for target, line in imports_of(name)
        if (top := target.split(".")[0]) not in sys.stdlib_module_names and top != "weft"
        if not {home.lower().replace("_", "-") for home in homes.get(top, [top])} & known
    }
    assert not undeclared, "\n".join(sorted(undeclared))


# Weight


def weighs(name: str) -> str | None:
    """The way from a module to a heavy package through imports at module level; None if none."""
    ways = [(name, name)]
    seen: set[str] = set()
    while ways:
        here, way = ways.pop()
        if here in seen:
            continue
        seen.add(here)
        parts = here.split(".")
        parents = ["__init__", *(".".join(parts[:end]) for end in range(1, len(parts)))]
        ways += [(parent, way) for parent in parents if parent in modules()]
        for target, line in imports_of(here, module_level=True):
            if target.split(".")[0] in HEAVY:
                return f"{way}:{line} imports {target}"
            reached = inside(target)
            if reached is not None:
                ways.append((reached, f"{way} -> {reached}"))
    return None


@pytest.mark.parametrize(
    "name", [name for name in modules() if name in LIGHT or name.split(".")[0] in LIGHT - {"study"}]
)
def test_a_light_module_reaches_nothing_heavy(name: str) -> None:
    assert weighs(name) is None


def test_a_heavy_module_is_seen_as_such() -> None:
    assert weighs("nn.bank") is not None


def python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


LOADED = f"import sys; print(sorted({HEAVY!r} & set(sys.modules)))"


@pytest.mark.parametrize(
    "module", ["weft", "weft.report", "weft.data.sources", "weft.config", "weft.selection"]
)
def test_importing_a_light_module_loads_no_torch(module: str) -> None:
    done = python(f"import {module}\n{LOADED}")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stdout + done.stderr


def test_help_loads_no_torch() -> None:
    done = python(
        "import sys\n"
        "from weft.cli import main\n"
        "sys.argv = ['weft', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n" + LOADED
    )
    assert done.returncode == 0, done.stderr
    assert "study" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# Randomness


def global_seeds(source: str) -> list[str]:
    """Uses of a generator that the whole process shares, by what the names were imported as."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}

    def dotted(node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = dotted(node.value)
            return before and f"{before}.{node.attr}"
        return None

    used = (
        (dotted(n), n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute)
    )
    return [f"line {line}: {name}" for name, line in used if name and GLOBAL_SEEDS.fullmatch(name)]


@pytest.mark.parametrize("name", sorted(modules()))
def test_nobody_seeds_globally(name: str) -> None:
    assert global_seeds(modules()[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.manual_seed(0)",
        "import torch as t\nt.cuda.manual_seed_all(0)",
        "from torch import manual_seed as plant\nplant(0)",
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random\nrandom.seed(0)",
        "import random\nrandom.seed(0)",
        "from random import seed\nseed(0)",
        "import transformers\ntransformers.set_seed(0)",
        "from transformers import set_seed\nset_seed(0)",
    ],
)
def test_a_global_seed_is_seen(source: str) -> None:
    assert len(global_seeds(source)) == 1


def test_generators_of_ones_own_are_not_global_seeds() -> None:
    source = "import torch\nfrom weft.randomness import seed_for\n"
    source += "torch.Generator().manual_seed(seed_for('order', 1))\nseed = 3\nseed\n"
    assert global_seeds(source) == []
