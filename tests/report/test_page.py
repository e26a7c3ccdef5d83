"""The page: complete, self-contained, harmless, the same as results.md, and sensible when little
is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from weft.report import gather, read, write
from weft.report.markdown import code, plain
from weft.report.page.words import html_of
from weft.report.results import results_markdown
from weft.report.sections import contents
from weft.study.ledger import Ledger

from .pages import NASTY, changed, labels, page_of, seen, tags, words

MakeStudy = Callable[..., Path]

ORDER = [
    "answer",
    "curve",
    "scores",
    "epochs",
    "confusion",
    "calibration",
    "errors",
    "check",
    "how",
]


def keys(page: str) -> list[str]:
    return [str(own["id"]) for _, own in tags(page, "section")]


def test_all_sections_in_order_and_as_in_markdown(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000, 4000), examples=200)
    found = gather(read(folder), target=0.9, seen=seen(200))
    page = words(page_of(folder, seen(200)))
    assert keys(page_of(folder, seen(200))) == ORDER
    markdown = results_markdown(found, ("report.html",))
    for line in markdown.splitlines():
        if line.startswith("|") and "---" not in line and " text " not in line:
            for cell in line.strip("|").split("|"):
                assert cell.strip().strip("`") in page
    headings = re.findall(r"^#+ (.*)$", markdown, flags=re.MULTILINE)
    assert [title for title in headings if title not in page] == ["Files"]
    assert [one.title for one in contents(found, ()) if one.title not in page] == []


def test_the_page_asks_for_nothing(make_predicted: MakeStudy) -> None:
    page = page_of(make_predicted(sizes=(250, 1000), examples=60), seen(60))
    assert [tag for tag, _ in tags(page) if tag in ("link", "img", "iframe", "script")] == [
        "link",
        "script",
    ]
    for _, own in tags(page):
        assert not {"src", "srcset", "onclick", "onload"} & own.keys()
        assert str(own.get("href", "#")).startswith(("#", "data:,"))
    assert "@import" not in page
    assert "url(" not in page
    assert "fetch(" not in page


def test_every_table_has_a_name_of_its_own(make_predicted: MakeStudy) -> None:
    page = page_of(make_predicted(sizes=(250, 1000), examples=60), seen(60))
    names = [str(own["aria-label"]) for _, own in tags(page) if own.get("class") == "wide"]
    assert len(names) == len(set(names)) > 5
    assert "Table: Test scores by size" in names
    assert "<th></th>" not in page


def test_every_run_is_a_point_of_the_curve(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000), seeds=3, examples=60)
    said = labels(page_of(folder))
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        for key in ledger.keys():  # noqa: SIM118 (a ledger is no dict)
            assert sum(f"(run {key.run_id})" in one for one in said) == 1
    assert sum("mean of 3 seeds" in one for one in said) == 4


def test_kept_and_stopped_epochs_are_marked(
    make_study: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    recipe = {**made_up_facts["config"]["recipe"], "min_steps": 0, "batch_size": 32, "epochs": 5}
    facts = {**made_up_facts, "config": {**made_up_facts["config"], "recipe": recipe}}
    page = page_of(make_study(sizes=(64,), seeds=3, methods=("lora",), facts=facts))
    said = [one for one in labels(page) if "validation loss" in one]
    assert sum("kept" in one for one in said) == 3
    # the last seed's run ends an epoch early
    assert {one[:6] for one in said if "stopped early" in one} == {"seed 2"}
    assert {one[:6] for one in said if "ran its length" in one} == {"seed 0", "seed 1"}


def test_what_comes_from_outside_is_only_text(
    make_predicted: MakeStudy, made_up_facts: dict[str, Any]
) -> None:
    facts = changed(made_up_facts, name=NASTY, notes=[NASTY], origin=NASTY)
    folder = make_predicted(
        sizes=(250, 1000), examples=60, facts={**facts, "name": NASTY, "command": NASTY}
    )
    texts = {f"t{k}": NASTY for k in range(60)}
    page = page_of(folder, seen(60, **texts))
    assert len(tags(page, "script")) == 1
    assert "<b>bold</b>" not in page
    assert words(page).count('<script>alert("x")</script>') > 5
    written = results_markdown(gather(read(folder), seen=seen(60, **texts)), ("report.html",))
    assert tags(html_of(written), "script") == []


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
def test_markdown_gives_a_text_back_as_it_was(text: str) -> None:
    wanted = " ".join(text.split())
    assert words(f"<p>{html_of('see ' + plain(text) + ' there')}</p>") == f"see {wanted} there"
    assert "<" not in re.sub(r"</?(p|code)>", "", html_of("see " + code(text)))


def test_a_long_text_is_cut(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250,), examples=60)
    long = {f"t{k}": "x" * 10_000 for k in range(60)}
    page = page_of(folder, seen(60, **long))
    assert "x" * 1600 in page
    assert "x" * 2001 not in page
    assert "8,000 more letters are left out" in page


def test_no_texts_no_examples(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000), examples=60)
    page = page_of(folder, seen(60, wanted=False))
    assert "--no-texts" in words(page)
    assert "text number" not in page
    assert 'class="examples"' not in page


def test_data_that_are_gone_are_said_to_be(make_predicted: MakeStudy) -> None:
    from weft.study.reread import Seen

    folder = make_predicted(sizes=(250, 1000), examples=60)
    page = words(page_of(folder, Seen(None, True, None, {}, "reviews.csv is not there.")))
    assert page.count("reviews.csv is not there.") == 2, "at the errors, and at the check"
    assert "Examples go by their place in test" in page


def test_one_run(make_predicted: MakeStudy) -> None:
    page = page_of(make_predicted(sizes=(250,), seeds=1, methods=("tfidf",), examples=60), seen(60))
    assert "epochs" not in keys(page)
    assert "cannot be told from this study" in words(page)


def test_failures_and_what_is_not_done(make_study: MakeStudy) -> None:
    folder = make_study(
        sizes=(50, 100), seeds=2, fail=["lora-100-1"], leave=["probe-100-1", "tfidf-100-0"]
    )
    page = words(page_of(folder))
    assert "out of memory | in <step> 3" in page
    assert "2 runs planned" in page
    assert page.index("Failed runs") < page.rindex("Learning curve")


def test_nothing_is_done_yet(make_study: MakeStudy) -> None:
    folder = make_study(
        sizes=(50,), seeds=1, methods=("lora", "probe"), leave=["lora-50-0", "probe-50-0"]
    )
    page = page_of(folder)
    assert keys(page) == ["answer", "how"]
    assert "No run is done yet" in words(page)


def test_random_weights_show_no_score(make_study: MakeStudy) -> None:
    page = page_of(make_study(sizes=(50, 100), seeds=2, epochs=2, facts={"random_weights": True}))
    assert keys(page) == ["answer", "scores", "how"]
    assert "weights are random" in words(page)
    assert not [one for one in labels(page) if "%" in one]


def test_a_class_that_is_never_the_answer(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",), classes=3, examples=30,
                        label_names=("a", "b", "never"))  # fmt: skip
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger._db.execute(
            "UPDATE scores SET confusion = '[[9, 1, 0], [2, 8, 0], [5, 5, 0]]' WHERE split = 'test'"
        )
        ledger._db.commit()
    page = words(page_of(folder))
    assert "Never answered at 50 training examples: never" in page
    assert "never 10 0.0 % \u2013 a 5" in page, "no precision, since nothing was answered so"


def test_many_classes(make_study: MakeStudy) -> None:
    names = [f"a_rather_long_intent_name_{number}" for number in range(77)]
    folder = make_study(
        sizes=(500, 1000), seeds=1, methods=("lora",), classes=77, label_names=names, epochs=2
    )
    page = page_of(folder)
    cells = [one for one in labels(page) if " answered " in one]
    with Ledger(folder / "ledger.sqlite", readonly=True) as ledger:
        outcomes = [ledger.outcome(key.run_id) for key in ledger.keys()]  # noqa: SIM118
    there = sum(n > 0 for own in outcomes if own for row in own.test.confusion for n in row)
    assert len(cells) == there, "a cell that holds nothing is not drawn"
    assert words(page).count("a_rather_long_intent_name_3 ") > 3


def test_write_names_the_page_first(make_study: MakeStudy) -> None:
    folder = make_study(sizes=(50,), seeds=1, methods=("probe",))
    first, second, *_ = write(folder)
    assert (first.name, second.name) == ("report.html", "results.md")
    before = first.read_bytes()
    write(folder)
    assert first.read_bytes() == before
