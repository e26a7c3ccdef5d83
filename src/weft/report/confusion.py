"""Confusion matrices: a panel per size, counts summed over seeds, for 2 classes or 77."""

# matplotlib leaves the types of its keyword arguments unknown:
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.report.formats import whole
from weft.report.rows import StudyView, done, main_method, name_of_cell, section
from weft.report.style import COUNTS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUMBERED = 12  # classes up to which each cell shows its count
_LONGEST = 22  # letters of a label that are shown
_TICKS = 40  # labels along an axis, at most


def confusion_sizes(view: StudyView) -> list[int]:
    """The sizes at which the main method has a confusion matrix."""
    return sorted({row["size"] for row in _rows(view)})


def draw_confusion(view: StudyView, size: int | None = None) -> Figure | None:
    """The main method's test predictions at one size, or at all; None where there are none."""
    rows = _rows(view)
    sizes = sorted({row["size"] for row in rows}) if size is None else [size]
    rows = [row for row in rows if row["size"] in sizes]
    if not rows:
        return None
    classes = len(rows[0]["test_confusion"])
    names = _names(view.facts, classes)
    few = classes <= _NUMBERED
    across = min(len(sizes), 5 if classes <= 3 else 3 if few else 2)
    down = math.ceil(len(sizes) / across)
    side = (0.9 + 0.4 * classes) if few else 6.0  # inches of the square itself
    labels = 0.075 * max(map(len, names))
    below = (0.2 if _upright(names) else labels) + 0.75
    figure = new_figure(side * across + labels + 1.6, (side + below) * down + 0.4, square=True)
    grid = cast("list[list[Axes]]", figure.subplots(down, across, squeeze=False).tolist())
    panels = [panel for line in grid for panel in line]
    image: Any = None
    for panel, at in zip(panels, sizes, strict=False):
        here = [row for row in rows if row["size"] == at]
        counts = np.sum([row["test_confusion"] for row in here], axis=0)  # (C, C)
        image = _panel(panel, counts, names)
        if panel not in [line[0] for line in grid]:
            panel.set_ylabel("")
            panel.tick_params(left=False, labelleft=False)
        summed = f"sum over {len(here)} seeds" if len(here) > 1 else "one seed"
        panel.set_title(f"{whole(at)} examples\n{summed}, n = {whole(int(counts.sum()))}")
    for panel in panels[len(sizes) :]:
        panel.remove()
    shrink = 0.8 if down == 1 else 0.5
    bar = figure.colorbar(image, ax=panels[: len(sizes)], shrink=shrink, format="%.0f %%")
    bar.set_label("share of the true class, per cent")
    if not few:
        bar.set_ticks([0, 1, 5, 10, 25, 50, 75, 100])
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]  (typed as a property)
    figure.suptitle(f"Test predictions of {name_of_cell(rows[0])}")
    return figure


def _rows(view: StudyView) -> list[dict[str, Any]]:
    rows = [row for row in done(view.runs) if row["test_confusion"] is not None]
    method = main_method(rows)
    return [row for row in rows if row["method"] == method]


def _panel(panel: Axes, counts: NDArray[np.int64], names: list[str]) -> Any:
    from matplotlib.colors import PowerNorm

    classes = len(names)
    totals = counts.sum(axis=1, keepdims=True)  # (C, 1) true examples
    shares = 100 * counts / np.maximum(totals, 1)  # (C, C)
    # With many classes most mistakes are rare: the root lets a reader see shares of 1 %.
    norm = PowerNorm(1 if classes <= _NUMBERED else 0.5, vmin=0, vmax=100)
    image = panel.imshow(shares, cmap=COUNTS, norm=norm, interpolation="nearest")
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    step = math.ceil(classes / _TICKS)
    ticks = list(range(0, classes, step))
    labels = [names[tick] for tick in ticks]
    panel.set_xticks(ticks, labels, rotation=0 if _upright(names) else 90)
    panel.set_yticks(ticks, labels)
    size = 8 if classes <= _NUMBERED else 6.5
    panel.tick_params(length=0 if step == 1 else 2, labelsize=size)
    panel.set_xlabel("predicted")
    panel.set_ylabel("true")
    if classes <= _NUMBERED:
        for (true, predicted), number in np.ndenumerate(counts):
            panel.text(
                predicted,
                true,
                whole(int(number)),
                ha="center",
                va="center",
                fontsize=10 if classes <= 4 else 7,
                color="white" if shares[true, predicted] > 55 else "black",
            )
    return image


def _upright(names: list[str]) -> bool:
    """Whether the labels fit side by side under a small panel."""
    return len(names) <= 12 and max(map(len, names)) * len(names) <= 18 + 4 * len(names)


def _names(facts: dict[str, Any], classes: int) -> list[str]:
    """The labels as a picture can show them; numbers where they are not known."""
    known = [str(name) for name in section(facts, "data").get("label_names", [])]
    if len(known) != classes:
        return [str(number) for number in range(classes)]
    return [_shown(name, number) for number, name in enumerate(known)]


def _shown(name: str, number: int) -> str:
    """A label, shortened; its number where the font lacks one of its letters."""
    words = " ".join(name.split())
    if not _drawable(words):
        return f"class {number}"
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1].rstrip()}\u2026"


def _drawable(words: str) -> bool:
    from matplotlib import font_manager

    fonts = cast(Any, font_manager)
    font = fonts.get_font(fonts.findfont("DejaVu Sans"))
    return bool(words) and all(font.get_char_index(ord(letter)) for letter in words)
