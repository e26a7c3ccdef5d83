"""What the encoder's features took, which a probe's runs share and their own seconds leave out."""

from __future__ import annotations

from weft.report.formats import count, short, whole
from weft.report.rows import StudyView, done, section


def features_seconds(view: StudyView) -> float | None:
    """What the features of all the study's probes took; None where no run tells it."""
    told = _told(view)
    return sum(seconds for seconds, _ in told) if told else None


def _told(view: StudyView) -> set[tuple[float, int]]:
    """Seconds and texts of each time that features were computed.

    They are computed once for the runs that are made together, and each of these tells the same
    two figures; a study that was stopped, or reads its encoder in several ways, has several.
    """
    runs = [section(row, "extra") for row in done(view.runs) if row["method"] == "probe"]
    return {
        (float(extra["features_seconds"]), int(extra["features_texts"]))
        for extra in runs
        if "features_seconds" in extra
    }


def features_sentence(view: StudyView) -> str:
    """Seconds and texts over the whole study; empty where no run tells them."""
    told, runs = _told(view), sum(row["method"] == "probe" for row in done(view.runs))
    if not told:
        return ""
    seconds, texts = sum(one for one, _ in told), sum(two for _, two in told)
    pace = f"{1000 * seconds / texts:.2g}"
    once = "once" if len(told) == 1 else f"{len(told)} times"
    return (
        f"The probe's seconds are those of its regression. The features that it reads took "
        f"{short(seconds)} s more, for {whole(texts)} texts of train, validation and test "
        f"({pace} ms a text), computed {once} for all its {count(runs, 'run')}; a run alone "
        "would wait for those of its own texts."
    )
