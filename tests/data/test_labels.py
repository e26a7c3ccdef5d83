"""Class names, their order, and the rule for the positive class."""

from __future__ import annotations

import pytest

from weft.data.labels import choose_positive, class_order, name_of
from weft.errors import DataError


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (" yes ", "yes"), ("", None), ("  ", None), (None, None), (float("nan"), None),
        (3, "3"), (-1, "-1"), (2.0, "2"), (True, "true"), (False, "false"),
    ],
)  # fmt: skip
def test_a_cell_becomes_a_name(cell: object, name: str | None) -> None:
    assert name_of(cell) == name


@pytest.mark.parametrize("cell", [0.5, float("inf"), ["a"], {"a": 1}, b"a"])
def test_a_cell_that_is_no_label(cell: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        name_of(cell)


@pytest.mark.parametrize(
    ("names", "known", "order"),
    [
        (["b", "a", "b"], None, ("a", "b")),
        (["10", "9", "-1"], None, ("-1", "9", "10")),
        (["10", "9", "x"], None, ("10", "9", "x")),
        (["01", "1"], None, ("01", "1")),
        (["b", "a"], ("c", "b", "a"), ("b", "a")),
        (["b", "z"], ("b", "a"), ("b", "z")),
    ],
)
def test_order(names: list[str], known: tuple[str, ...] | None, order: tuple[str, ...]) -> None:
    assert class_order(names, known) == order


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (("negative", "positive"), "positive"), (("ham", "spam"), "spam"), (("no", "yes"), "yes"),
        (("0", "1"), "1"), (("-1", "1"), "1"), (("1", "2"), "2"), (("False", "True"), "True"),
        (("entailment", "not_entailment"), "entailment"), (("hate", "non-hate"), "hate"),
        (("relevant", "irrelevant"), "relevant"), (("alpha", "beta"), "beta"),
        (("Good", "bad"), "Good"), (("spam", "true"), "true"),
    ],
)  # fmt: skip
def test_positive_by_rule(labels: tuple[str, str], positive: str) -> None:
    at, note = choose_positive(labels, None, "f")
    assert at is not None
    assert labels[at] == positive
    assert note is not None
    assert repr(positive) in note


def test_positive_as_set() -> None:
    assert choose_positive(("Bad", "Good"), "bad", "f") == (
        0,
        "The positive class is 'Bad', as set.",
    )
    assert choose_positive(("A", "a"), "a", "f")[0] == 1
    assert choose_positive(("a", "b", "c"), None, "f") == (None, None)


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        (("a", "b"), ["no label is called 'yes'", "'a', 'b'", "--positive"]),
        (("a", "b", "c"), ["3 classes", "--positive"]),
        (("YES", "Yes"), ["no label is called 'yes'"]),
    ],
)
def test_positive_refused(labels: tuple[str, ...], parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        choose_positive(labels, "yes", "f")
    for part in parts:
        assert part in str(caught.value)
