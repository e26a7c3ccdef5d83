"""Examples worth reading: which are listed, in what order, with what figures."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from weft.report import gather, read
from weft.report.mistakes import MOST
from weft.report.sections.mistakes import mistakes
from weft.study.predictions import read_probabilities

from .pages import page_of, seen

MakeStudy = Callable[..., Path]


def test_the_surest_mistakes_come_first(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 1000, 4000), examples=600)
    found = gather(read(folder), seen=seen(600))
    own = found.mistakes
    assert found.best is not None
    test = found.best.run.test
    rows = found.best.run.at(test)
    wrong = np.flatnonzero(rows.argmax(axis=1) != test.labels)
    assert own.counts["wrong"] == len(wrong)
    listed = [one for one in own.examples if "wrong" in one.kinds]
    assert len(listed) == min(len(wrong), MOST)
    order = wrong[np.argsort(-rows[wrong].max(axis=1), kind="stable")]
    assert [one.index for one in own.examples[: len(listed)]] == order[:MOST].tolist()
    first = listed[0]
    assert first.text == f"text number {first.index}"
    assert first.label == test.label_names[test.labels[first.index]]
    assert first.sure == rows[first.index].max()


def test_probabilities_per_size_are_means_over_seeds(make_predicted: MakeStudy) -> None:
    folder = make_predicted(sizes=(250, 4000), seeds=2, methods=("lora",), examples=200)
    found = gather(read(folder), seen=seen(200))
    own = found.mistakes
    assert own.sizes == (250, 4000)
    from weft.report.readings import Calibrated

    for place, size in enumerate(own.sizes):
        means = []
        for seed in range(2):
            splits = read_probabilities(
                folder / "runs" / f"lora-{size}-{seed}" / "predictions.parquet"
            )
            run = Calibrated.of(splits)
            means.append(run.at(run.test))
        mean, labels = np.mean(means, axis=0), run.test.labels
        for one in own.examples:
            said, p = one.by_size[place]
            assert p == mean[one.index, labels[one.index]]
            assert said == run.test.label_names[mean[one.index].argmax()]
    disagree = {one.index for one in own.examples if len({said for said, _ in one.by_size}) > 1}
    assert {one.index for one in own.examples if "sizes" in one.kinds} <= disagree


def test_a_label_that_all_models_deny_is_in_doubt(make_predicted: MakeStudy) -> None:
    found = gather(read(make_predicted(sizes=(4000,), examples=600)), seen=seen(600))
    doubted = [one for one in found.mistakes.examples if "label" in one.kinds]
    assert doubted
    assert all(one.answer != one.label or one.by_size[0][1] < 0.5 for one in doubted)


def test_texts_of_another_test_split_are_not_shown(make_predicted: MakeStudy) -> None:
    own = gather(read(make_predicted(sizes=(250,), examples=60)), seen=seen(59)).mistakes
    assert "no longer" in own.missing
    assert {one.text for one in own.examples} == {None}


def test_flags_of_a_model_near_chance_are_cautioned_against(make_predicted: MakeStudy) -> None:
    caution = "not told apart from always giving test's commonest label"
    good = gather(read(make_predicted("good", sizes=(4000,), examples=200)), seen=seen(200))
    assert caution not in str(mistakes(good)[0])
    folder = make_predicted("chance", sizes=(250,), examples=200, rises=0.4)
    chance = gather(read(folder), seen=seen(200))
    assert caution in str(mistakes(chance)[0])


def test_a_figure_stays_with_its_unit(make_predicted: MakeStudy) -> None:
    page = page_of(make_predicted(sizes=(250,), examples=60), seen(60))
    shares = re.findall(r'class="share">([^<]+)<', page)
    assert shares
    assert all(re.fullmatch("[0-9.]+\u00a0%", share.strip()) for share in shares), shares[:3]
