"""How all pictures look: colours told apart by the colour-blind, type, and equal bytes."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import io
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), without its yellow, which is too
# pale for lines on white.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"

TRAIN, VALIDATION = VERMILION, BLUE
"""The two curves of a run."""

COUNTS = "Blues"
"""Colour map of the confusion matrix."""

GREY = "#666666"
"""Secondary text."""

_METHODS = {
    "lora": (BLUE, "o"),
    "bitfit": (ORANGE, "v"),
    "full": (PURPLE, "D"),
    "probe": (VERMILION, "s"),
    "tfidf": (GREEN, "^"),
}
_OTHERS = ((SKY, "P"), (BLACK, "X"))

Kind = Literal["pdf", "png"]
PNG_DPI = 150
_MARGIN = 0.08  # inches around what is drawn
_METADATA: dict[Kind, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so equal on every machine
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "text.parse_math": False,  # a label may hold a dollar sign
    "pdf.fonttype": 42,  # text stays text: it can be searched and edited
}


@contextmanager
def styled() -> Generator[None]:
    """Draws in the house's style, whatever the user's own settings; they come back after."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        cast("dict[str, Any]", mpl.rcParams).update(_STYLE)
        yield


def of_method(method: str, others: list[str]) -> tuple[str, str]:
    """Colour and marker of a method; those that are not the house's go by place in `others`."""
    known = _METHODS.get(method)
    return known or _OTHERS[others.index(method) % len(_OTHERS)]


def saved(figure: Figure, kinds: Sequence[Kind]) -> list[bytes]:
    """The figure in each kind of file, cut to what is drawn; equal figures give equal bytes.

    So PDFs have no date, and PNGs (150 dots per inch) do not name what drew them.
    """
    # Everything finds its place once, before the first file: one picture for all. Where a figure
    # keeps an engine, even one that does nothing, matplotlib draws it twice for every file.
    engine = figure.get_layout_engine()
    assert engine is not None, "of `new_figure`"
    engine.execute(figure)
    figure.set_layout_engine(None)
    box = figure.get_tightbbox().padded(_MARGIN)
    files: list[bytes] = []
    for kind in kinds:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=PNG_DPI, bbox_inches=box, metadata=_METADATA[kind])
        files.append(buffer.getvalue())
    return files


def new_figure(width: float, height: float, *, square: bool = False) -> Figure:
    """An empty figure, inches, that finds room for its labels; `square`: for square panels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="compressed" if square else "constrained")


def in_percent(axis: Axis) -> None:
    """Ticks of an axis of shares as `85 %`, with a decimal only where the ticks need one."""
    from matplotlib.ticker import FuncFormatter

    def words(share: float, _: int | None) -> str:
        return f"{100 * share:.4g} %"

    axis.set_major_formatter(FuncFormatter(words))
