"""What is typed wrong is told at once and whole, with the nearest right names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command import weft

import weft as library
from weft.errors import ConfigError, DataError


def told(*words: str | Path) -> str:
    """What a command says that is refused before anything happens."""
    said = weft(*words)
    assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in said.err
    assert said.err.count("error: ") == 1
    assert "remedy: " in said.err
    return said.err


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with labelled text, in which nothing may appear."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"text {k},{('neg', 'pos')[k % 2]}\n" for k in range(60))
    (tmp_path / "reviews.csv").write_text("text,label\n" + rows)
    return tmp_path


def test_options_and_settings_are_told_together() -> None:
    said = told(
        *("study", "reviews.csv", "--epochz", "3", "--seeds", "two", "--methods", "lorra,tfidf"),
        *("--device", "cdua", "--r", "0", "--sizes", "8:x", "--seeds-at", "8"),
        *("--grid", "learning-rat=1e-3", "--batch-size"),
    )
    for part in (
        "there is no option --epochz; did you mean --epochs?",
        "'--seeds'",
        "(found 'two')",
        "'--batch-size' requires an argument",
        "methods.0: ",
        "did you mean lora?",
        "bank.device: ",
        "did you mean cuda?",
        "lora.r: Input should be greater than 0 (found 0)",
        "sizes takes whole numbers",
        "seeds_at takes whole numbers",
        "did you mean learning-rate?",
    ):
        assert part in said, part


def test_a_toml_file_and_options_are_told_together() -> None:
    Path("my.toml").write_text(
        'sizs = [1]\nname = "../up"\nmethods = "lora,prob"\n[recipe]\nlearning_rte = 1\n'
        '[data]\nsource = "reviews.csv"\nbalence = "strict"\n[bank]\nslot = 3\n'
    )
    said = told("study", "my.toml", "--patience", "0", "--poling", "cls", "--pooling", "cla")
    for part in (
        "there is no option --poling; did you mean --pooling?",
        "sizs: there is no such setting; did you mean sizes?",
        "name: ",
        "'../up'",
        "did you mean probe?",
        "recipe.learning_rte: there is no such setting; did you mean learning_rate?",
        "data.balence: there is no such setting; did you mean balance?",
        "bank.slot: there is no such setting; did you mean slots?",
        "recipe.patience: ",
        "did you mean cls?",
    ):
        assert part in said, part


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("studdy", "reviews.csv"), ["studdy", "study"]),
        (("study",), ["data"]),
        (("study", "reviews.csv", "more"), ["more"]),
        (("study", "--epochz", "3", "reviews.csv"), ["did you mean --epochs?"]),
        (("study", "reviews.csv", "--exact=3"), ["--exact"]),
        (("train", "reviews.csv", "--method", "lorra", "--size", "x"),
         ["did you mean lora?", "'x'"]),
        (("train", "reviews.csv", "--size", "0", "--epochs", "0"), ["sizes.0", "recipe.epochs"]),
        (("check", "reviews.csv", "--labels-by", "prob", "--epochs", "0"),
         ["did you mean probe?", "recipe.epochs"]),
        (("predict", "m", "--format", "cvs", "--fiel", "x"), ["did you mean csv?", "--file"]),
        (("report", ".", "--target", "x", "--bactest"), ["'x'", "did you mean --backtest?"]),
        (("study", "dmeo"), ["did you mean demo?"]),
        (("study", "review.csv"), ["did you mean reviews.csv?"]),
        (("study", "my.tml"), ["no such file"]),
        (("study", "reviews.toml"), ["cannot be read"]),
        (("check", "reviews.csv", "--text", "txt"), ["did you mean text?"]),
        (("predict", "review", "hi"), ["no folder"]),
        (("predict", "x" * 5000, "hi"), ["no folder"]),
    ],
)  # fmt: skip
def test_what_is_typed_wrong(shop: Path, words: tuple[str, ...], parts: list[str]) -> None:
    said = weft(*words)
    assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err, said.err
    assert [path.name for path in shop.iterdir()] == ["reviews.csv"]


def test_the_nearest_of_what_lies_there(shop: Path) -> None:
    (shop / "my.toml").write_text("seeds = 1\n")
    (shop / "model").mkdir()
    assert "did you mean my.toml?" in told("study", "mi.toml")
    assert "did you mean model?" in told("predict", "modle", "hi")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = " + "[" * 5000, "not TOML"),
        ("seeds = 1\nseeds = 2\n", "not TOML"),
        ('data = "reviews.csv"\n', "data: "),
        ("data = 5\nrecipe = 5\nlora = []\ngrid = 5\n", "grid: "),
        ("seeds = 1" + "0" * 400 + "\n", "seeds: "),
        ("sizes = [1, 'x', 2.5]\nseeds_at = [1]\n", "sizes.1"),
        ("[grid]\nrank = [1979-05-27]\n", "lora.r"),
        ("[grid]\nrank = []\n", "has no values"),
        ("[backbone]\nname = ''\n", "backbone.name"),
        ("[lora]\ntarget_modules = []\n", "lora.target_modules"),
        ("seeds = 9999\nsizes = [10, 20, 30, 40]\nmethods = ['lora', 'probe', 'full']\n", "runs"),
    ],
)  # fmt: skip
def test_a_toml_file_that_is_no_study(text: str, part: str) -> None:
    Path("my.toml").write_text(text)
    assert part in told("study", "my.toml")


def test_a_byte_order_mark_is_no_fault_of_a_toml_file() -> None:
    Path("my.toml").write_bytes(b"\xef\xbb\xbfseeds = 2\n[data]\nsource = 'reviews.csv'\n")
    assert "seeds = 2" in weft("study", "my.toml", "--show-config").out


@pytest.mark.parametrize(
    "name", ["../up", "/tmp/up", "a/b", "a\\b", "..", "", "a\0b", "a\nb", "x" * 200]
)
def test_a_name_does_not_lead_out_of_its_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="name: "):
        library.Study("reviews.csv", name=name)


# In Python


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"sizes": 5}, ["sizes"]),
        ({"sizes": [10, "x"], "seeds": "y", "methods": ["lorra"], "recpie": {}},
         ["sizes.1", "seeds", "did you mean lora?", "did you mean recipe?"]),
        ({"methods": 5, "grid": [1], "lora": 5, "backbone": 5, "recipe": 5},
         ["methods", "grid", "lora", "backbone", "recipe"]),
        ({"lora": {"rank": 5, 5: 5}, "backbone": {"nmae": "x"}},
         ["lora.rank", "did you mean name?"]),
        ({"data": 5}, ["data.source"]),
        ({"data": None}, ["data.source"]),
        ({"data": {"sauce": "x"}}, ["did you mean source?"]),
        ({"grid": {5: [1], "rank": ["x"]}}, ["setting 5", "lora.r"]),
    ],
)  # fmt: skip
def test_a_study_in_python(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        library.Study(**{"data": "reviews.csv", **given})
    for part in parts:
        assert part in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"method": "lorra", "epochs": 0, "validation_fraction": 5, "pooling": "clss"},
         ["did you mean lora?", "recipe.epochs", "validation_fraction", "did you mean cls?"]),
        ({"method": ["lora"], "backbone": None}, ["methods.0", "backbone.name"]),
        ({"settings": 5, "class_weight": "balnced", "random_state": "x", "r": "y"},
         ["settings", "class_weight", "random_state", "lora.r"]),
        ({"settings": {"recpie": {}}, "learning_rate": -1.0},
         ["did you mean recipe?", "recipe.learning_rate"]),
        ({"class_weight": {"a": -1.0}, "target_modules": 5}, ["class_weight", "target_modules"]),
    ],
)  # fmt: skip
def test_a_classifier_in_python(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        library.Classifier(**given).fit(["a", "b"] * 10, ["x", "y"] * 10)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_texts_that_are_none_in_python() -> None:
    with pytest.raises(DataError, match="surrogate"):
        library.Classifier("tfidf").fit(["\ud800 a", "b"] * 10, ["x", "y"] * 10)
    with pytest.raises(DataError, match="no name can have"):
        library.Classifier("tfidf").fit(["a", "b"] * 10, ["x\n", "y"] * 10)
