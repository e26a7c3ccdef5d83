"""Fills the page's templates with what was gathered."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from weft.report.formats import percent, whole
from weft.report.matrices import FEW
from weft.report.page.curve_chart import curve_chart
from weft.report.page.epoch_charts import epoch_charts
from weft.report.page.surety_charts import abstention_chart, reliability_charts
from weft.report.page.versus_charts import versus_charts
from weft.report.page.words import Names, html_of
from weft.report.sections import Drawn, Folded, Section, contents
from weft.report.sections.mistakes import KINDS
from weft.report.sections.side_by_side import side_by_side

if TYPE_CHECKING:
    from weft.report.gathered import Gathered
    from weft.report.versus import Versus


def study_page(found: Gathered) -> str:
    """The whole page of one study; equal studies give equal pages."""
    title = str(found.view.facts.get("name") or "without a name")
    return page(
        f"Study: {title}",
        contents(found, ()),
        curve=curve_chart(found),
        epochs=epoch_charts(found),
        reliability=reliability_charts(found),
        abstention=abstention_chart(found),
        matrices=found.matrices,
        few=FEW,
        mistakes=found.mistakes,
        kinds=KINDS,
    )


def versus_page(found: Versus) -> str:
    """The whole page of several studies."""
    title = " and ".join(found.names)
    return page(title, side_by_side(found), charts=versus_charts(found))


def page(title: str, sections: list[Section], **drawn: Any) -> str:
    """A page of sections.

    Args:
        title: its heading.
        sections: what it says.
        drawn: what its templates draw, by name.
    """
    template = _environment().get_template("page.html")
    return template.render(title=title, sections=sections, names=Names(), **drawn)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("weft.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["words"] = html_of
    made.filters["percent"] = _percent
    made.filters["whole"] = whole
    made.tests["drawn"] = _drawn
    made.tests["folded"] = _folded
    made.globals["style"] = _own(made, "page.css")
    made.globals["script"] = _own(made, "page.js")
    return made


def _percent(share: float | None) -> str:
    """No line ends between a figure and its unit."""
    return percent(share).replace(" ", "\u00a0")


def _drawn(value: Any) -> bool:
    return isinstance(value, Drawn)


def _folded(value: Any) -> bool:
    return isinstance(value, Folded)


def _own(made: Environment, name: str) -> Any:
    """A file of ours, as it is."""
    loader = made.loader
    assert loader is not None
    return Markup(loader.get_source(made, name)[0])
