"""Differences and equality on the page and in the data: the family, its words, its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from weft.evidence.compare import compare
from weft.evidence.sentences import sentences
from weft.report import gather, read, write
from weft.report.comparisons import comparisons_markdown

MakeStudy = Callable[..., Path]


def test_a_sentence_for_each_comparison(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000), epochs=1)
    write(folder)
    found = gather(read(folder))
    family = compare({place: cell.answers for place, cell in found.judged.items()})
    assert len(family.comparisons) == 4
    page = (folder / "results.md").read_text(encoding="utf-8")
    for text in sentences(family):
        assert f"- {text}" in page
    assert "judges all 4 comparisons together" in page
    assert page.index("## Test scores by size") < page.index("### Differences")
    assert page.index("### Differences") < page.index("## Validation scores")
    rows = json.loads((folder / "results.json").read_text(encoding="utf-8"))["comparisons"]
    assert [row["sentence"] for row in rows] == list(sentences(family))
    first = family.comparisons[0]
    assert rows[0]["first"] == {"method": "lora", "size": 1000}
    assert rows[0]["adjusted_low"] == first.adjusted_low
    assert rows[0]["told_apart"] == first.told_apart


def test_what_bears_on_the_answer(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(250, 1000), methods=("lora", "probe", "tfidf"))))
    said = found.compared.of("lora", 1000)
    assert len(said) == 3
    assert said[0].startswith("LoRA: 1,000 examples beat 250 by ")
    assert all("250 examples" not in text for text in said[1:])


def test_equality_is_shown_or_not_with_what_could_be(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(2000,), methods=("lora", "full"), examples=2000)
    page = "\n".join(comparisons_markdown(gather(read(folder)).compared))
    assert "### Whether LoRA equals full fine-tuning" in page
    assert "LoRA equals full fine-tuning within 1.0 points at 2,000 examples:" in page
    assert (
        "The smallest difference that these 2,000 test examples and 3 seeds could rule out" in page
    )
    write(folder)
    (row,) = json.loads((folder / "results.json").read_text(encoding="utf-8"))["equality"]
    assert (row["size"], row["margin"]) == (2000, 0.01)
    assert ("not shown" in row["sentence"]) != row["shown"]


def test_without_full_nothing_is_said_of_equality(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(250,))))
    assert found.compared.equal == {}
    assert "equals" not in "\n".join(comparisons_markdown(found.compared))


def test_one_cell_has_no_comparison(make_predicted: MakeStudy) -> None:
    assert (
        comparisons_markdown(gather(read(make_predicted(sizes=(250,), methods=("lora",)))).compared)
        == []
    )


def test_the_remedy_stands_where_validation_is_unlike_test(
    make_predicted: MakeStudy, made_up_facts: dict[str, object]
) -> None:
    from weft.study.predictions import write_predictions

    data = {**made_up_facts["data"], "notes": ["Validation: 300 examples drawn from train."]}
    kinds = {"sizes": (250,), "methods": ("lora",), "seeds": 1, "epochs": 1}
    for name, settings, expected in (
        ("drawn", {}, True),
        ("apart", {"validation": "disjoint"}, False),
    ):
        facts = {**made_up_facts, "data": data, "config": {"data": settings}}
        folder = make_predicted(name, **kinds, facts=facts)
        write(folder)
        assert "`--validation disjoint`" not in (folder / "results.md").read_text(encoding="utf-8")
        path = folder / "runs" / "lora-250-0" / "predictions.parquet"
        from weft.study.predictions import read_probabilities

        splits = read_probabilities(path)
        rows = {split: own.probabilities for split, own in splits.items()}
        labels = {split: own.labels for split, own in splits.items()}
        labels["validation"] = rows["validation"].argmax(axis=1)
        write_predictions(path, ("negative", "positive"), labels, rows)
        write(folder)
        page = (folder / "results.md").read_text(encoding="utf-8")
        assert "validation is not like test" in page
        assert ("`--validation disjoint`" in page) == expected
