"""Every picture of a study, as bytes by file name; a picture with nothing to show is left out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from weft.report.beside import Drawing, drawn
from weft.report.confusion import confusion_sizes, draw_confusion
from weft.report.curves import draw_curves
from weft.report.reliability import draw_abstention, draw_reliability
from weft.report.scaling import draw_sizes
from weft.report.style import saved, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weft.report.gathered import Gathered
    from weft.report.rows import StudyView


def draw_all(found: Gathered) -> dict[str, bytes]:
    """`figures/...` to the file's bytes, in the order in which they are listed."""
    view = found.main
    drawings: list[Drawing] = [
        lambda: _both("sizes", draw_sizes(found)),
        lambda: _both("acc", draw_curves(view, "accuracy")),
        lambda: _both("loss", draw_curves(view, "loss")),
        lambda: _both("confusion_matrix", draw_confusion(view)),
        lambda: _both("reliability", draw_reliability(found.best)),
        lambda: _both("abstention", draw_abstention(found.best)),
        *(partial(_matrix, view, size) for size in confusion_sizes(view)),
    ]
    with styled():
        return drawn(drawings)


def _matrix(view: StudyView, size: int) -> dict[str, bytes]:
    figure = draw_confusion(view, size)
    assert figure is not None, "this size has a matrix"
    (pdf,) = saved(figure, ["pdf"])
    return {f"figures/confusion_matrix_{size}.pdf": pdf}


def _both(name: str, figure: Figure | None) -> dict[str, bytes]:
    if figure is None:
        return {}
    pdf, png = saved(figure, ["pdf", "png"])
    return {f"figures/{name}.pdf": pdf, f"figures/{name}.png": png}
