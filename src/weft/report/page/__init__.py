"""The report as one HTML page that needs no network: charts by hand in SVG, words from Markdown."""

from weft.report.page.render import study_page, versus_page

__all__ = ["study_page", "versus_page"]
