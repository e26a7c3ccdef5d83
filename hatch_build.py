"""Compiles the kernels while weft is installed, where there is a compiler; without one nothing but
speed is lost, so a failure is no error."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/weft/nn/native")
SOURCES = (
    "kernels.h",
    "amx.h",
    "layer.h",
    "kernels.cpp",
    "tiles.h",
    "tiles_attention.cpp",
)
# -ffp-contract=fast lets a product and a sum be one instruction; NaN and infinity stay what they
# are. OpenMP's functions are left to be found when the library is loaded: torch has them.
FLAGS = (
    *("-O3", "-std=c++17", "-fPIC", "-fopenmp"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"),
)


class Kernels(BuildHookInterface[Any]):
    """Builds `kernels.so` beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Called by hatchling before it collects the files."""
        if self.target_name != "wheel" or not compiled(Path(self.root) / FOLDER):
            return
        build_data["artifacts"].append(f"/{FOLDER}/kernels.so")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(folder: Path) -> bool:
    """Compiles and links in two steps, since a link with -fopenmp would bring a second OpenMP."""
    target, draft = folder / "kernels.so", folder / "kernels.so.tmp"
    parts = {folder / name: folder / f"{name}.o" for name in SOURCES if name.endswith(".cpp")}
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((folder / name).read_bytes())
    told = f'-DWEFT_SOURCE="{digest.hexdigest()[:16]}"'  # library.py asks for it when it loads
    steps = (
        *([*compiler, *FLAGS, told, "-c", *map(str, (s, "-o", o))] for s, o in parts.items()),
        [*compiler, "-shared", *map(str, parts.values()), "-o", str(draft)],
    )
    try:
        target.unlink(missing_ok=True)
        if sys.platform != "linux":
            raise OSError("the kernels are made for Linux")
        for step in steps:
            subprocess.run(step, check=True, capture_output=True, text=True)
        draft.replace(target)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        print(f"weft: the kernels were not built, all else works: {why.strip()}", file=sys.stderr)
        return False
    finally:
        with contextlib.suppress(OSError):
            for path in (*parts.values(), draft):
                path.unlink(missing_ok=True)
    return True
