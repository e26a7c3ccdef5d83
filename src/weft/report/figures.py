"""Every picture of a study, as bytes by file name; a picture with nothing to show is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.report.confusion import confusion_sizes, draw_confusion
from weft.report.curves import draw_curves
from weft.report.reliability import draw_abstention, draw_reliability
from weft.report.scaling import draw_sizes
from weft.report.style import saved, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from weft.report.gathered import Gathered


def draw_all(found: Gathered) -> dict[str, bytes]:
    """`figures/...` to the file's bytes, in the order in which they are listed."""
    view = found.main
    with styled():
        files = _both("sizes", draw_sizes(found))
        files |= _both("acc", draw_curves(view, "accuracy"))
        files |= _both("loss", draw_curves(view, "loss"))
        files |= _both("confusion_matrix", draw_confusion(view))
        files |= _both("reliability", draw_reliability(found.best))
        files |= _both("abstention", draw_abstention(found.best))
        for size in confusion_sizes(view):
            figure = draw_confusion(view, size)
            assert figure is not None, "this size has a matrix"
            (files[f"figures/confusion_matrix_{size}.pdf"],) = saved(figure, ["pdf"])
    return files


def _both(name: str, figure: Figure | None) -> dict[str, bytes]:
    if figure is None:
        return {}
    pdf, png = saved(figure, ["pdf", "png"])
    return {f"figures/{name}.pdf": pdf, f"figures/{name}.png": png}
