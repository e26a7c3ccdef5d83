"""What a source name leads to: files, folders and their splits, SST-2, the demo; no network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weft.data.sources import LabelledText
from weft.errors import ConfigError, DataError

Write = Callable[..., Path]
Read = Callable[..., LabelledText]
Refused = Callable[..., DataError]
CsvOf = Callable[..., str]


def rows(prefix: str, count: int, labels: str = "ab") -> str:
    lines = [f"{prefix} {i},{labels[i % len(labels)]}\n" for i in range(count)]
    return "text,label\n" + "".join(lines)


def test_one_file_is_cut_70_15_15_within_each_class(write: Write, read: Read) -> None:
    path = write("My Reviews (1).csv", rows("t", 200, "aaab"))
    data = read(path)
    assert data.name == "my-reviews-1"
    assert data.validation is not None
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [140, 30, 30]
    texts = [text for split in splits for text in split.texts]
    assert sorted(texts) == sorted(f"t {i}" for i in range(200))
    for split in splits:
        assert abs(int((split.labels == 1).sum()) - len(split) / 4) <= 1
    assert any("70/15/15" in note and "140 train" in note for note in data.notes)
    assert data.hashes == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    assert read(path).test.texts == data.test.texts


def test_the_cut_leaves_one_of_every_class_to_train_on(write: Write, read: Read) -> None:
    labels = "ab" * 20 + "cdefghijkl"
    body = "".join(f"t {i},{label}\n" for i, label in enumerate(labels))
    data = read(write("rare.csv", "text,label\n" + body))
    assert set(data.train.labels.tolist()) == set(range(12))


@pytest.mark.parametrize(
    ("files", "sizes", "note"),
    [
        ({"train": 50, "validation": 10, "test": 20}, (50, 10, 20), None),
        ({"train": 50, "dev": 10, "test": 20}, (50, 10, 20), None),
        ({"Train": 50, "VALID": 10, "Test": 20}, (50, 10, 20), None),
        ({"train": 50, "dev": 10}, (50, None, 10), "is the test set"),
        ({"train": 50, "test": 20}, (50, None, 20), "no validation split"),
        ({"train": 40}, (28, 6, 6), "70/15/15"),
        ({"train": 40, "other": 5}, (28, 6, 6), "70/15/15"),
    ],
)
def test_folder(
    write: Write,
    read: Read,
    tmp_path: Path,
    files: dict[str, int],
    sizes: tuple[int | None, ...],
    note: str | None,
) -> None:
    for name, count in files.items():
        write(f"set/{name}.csv", rows(name, count))
    data = read(tmp_path / "set")
    validation = None if data.validation is None else len(data.validation)
    assert (len(data.train), validation, len(data.test)) == sizes
    assert data.name == "set"
    assert note is None or any(note in one for one in data.notes)
    assert set(data.hashes) == {f"{name}.csv" for name in files if name != "other"}


@pytest.mark.parametrize(
    "test", ["index\ttext\n0\tq\n", "text\tlabel\nq\t-1\n", "text\tlabel\nq\t\n"]
)
def test_a_test_file_without_labels_is_left_out(
    write: Write, read: Read, tmp_path: Path, test: str
) -> None:
    write("set/train.csv", rows("train", 50))
    write("set/dev.csv", rows("dev", 10))
    write("set/test.tsv", test)
    data = read(tmp_path / "set")
    assert data.test.texts[0] == "dev 0"
    assert any("test.tsv has no labels" in note for note in data.notes)
    assert set(data.hashes) == {"train.csv", "dev.csv"}


def test_folder_faults(write: Write, refused: Refused, tmp_path: Path) -> None:
    write("none/readme.txt", "hello")
    refused(tmp_path / "none", "no training split", "nothing that weft reads", "dev")
    write("two/train.csv", rows("a", 9))
    write("two/train.tsv", "text\tlabel\n")
    refused(tmp_path / "two", "more than one train split", "train.csv, train.tsv")


@pytest.mark.parametrize(
    "source", ["reviews", "./reviews", "data/reviews.csv", "a/b/c/d", "~/nowhere", "/no/where"]
)
def test_nothing_there(refused: Refused, source: str) -> None:
    refused(source, source, "no such file or folder", "hub name")


def test_pairs(write: Write, read: Read) -> None:
    lines = [f"p {i}\th {i}\t{i % 3}\n" for i in range(30)]
    data = read(write("nli.tsv", "premise\thypothesis\tlabel\n" + "".join(lines)))
    assert data.train.pairs is not None
    both = zip(data.train.texts, data.train.pairs, data.train.labels.tolist(), strict=True)
    for text, pair, label in both:
        number = int(text.removeprefix("p "))
        assert pair == f"h {number}"
        assert label == number % 3
    assert data.positive is None
    taken = data.train.take(np.array([2, 0]))
    assert taken.pairs == (data.train.pairs[2], data.train.pairs[0])
    assert taken.labels.tolist() == data.train.labels[[2, 0]].tolist()


def glue(prefix: str, count: int) -> str:
    lines = [f'{prefix} "{i} \t{i % 2}\n' for i in range(count)]
    return "sentence\tlabel\n" + "".join(lines)


def test_sst2_of_a_folder(write: Write, read: Read, tmp_path: Path) -> None:
    write("glue/train.tsv", glue("train", 50))
    write("glue/dev.tsv", glue("dev", 8))
    write("glue/test.tsv", b"never opened: \xff")
    data = read("sst2", folder=str(tmp_path / "glue"))
    assert data.name == "sst2"
    assert data.label_names == ("negative", "positive")
    assert data.positive == 1
    assert data.validation is None
    assert data.test.texts == tuple(f'dev "{i}' for i in range(8))
    assert data.test.labels.tolist() == [0, 1] * 4
    assert set(data.hashes) == {"train.tsv", "dev.tsv"}
    assert read("sst2", folder=str(tmp_path / "glue"), positive="negative").positive == 0


def test_sst2_faults(write: Write, refused: Refused, tmp_path: Path) -> None:
    folder = str(tmp_path / "glue")
    refused("sst2", "no such folder", "dev.tsv", folder=folder)
    write("glue/train.tsv", glue("train", 50))
    refused("sst2", "dev.tsv is missing", "beside train.tsv", folder=folder)
    write("glue/dev.tsv", "sentence\tlabel\na\tgood\n")
    refused("sst2", "dev.tsv, line 2", "'good'", folder=folder)
    write("glue/train.tsv", "sentence\tlabel\na\tgood\nb\tbad\n")
    refused("sst2", "not the labels of GLUE SST-2", "'bad', 'good'", folder=folder)


def test_a_folder_beside_other_data_is_refused(read: Read) -> None:
    with pytest.raises(ConfigError, match="folder is set") as caught:
        read("demo", folder="somewhere")
    assert "sst2" in caught.value.remedy


def test_the_demo_comes_with_the_package(read: Read) -> None:
    data = read("demo")
    assert data.name == "demo"
    assert data.label_names == ("negative", "positive")
    assert data.positive == 1
    assert data.validation is not None
    assert [len(data.train), len(data.validation), len(data.test)] == [1000, 200, 600]
    assert set(data.hashes) == {"train.tsv", "validation.tsv", "test.tsv"}


def test_reading_local_data_is_cheap_and_offline(tmp_path: Path, csv_of: CsvOf) -> None:
    path = tmp_path / "d.csv"
    path.write_text(csv_of(), encoding="utf-8")
    code = (
        "import sys, socket\n"
        "def no(*args, **kwargs): raise AssertionError('network')\n"
        "socket.socket.connect = no\n"
        "from weft.config import DataSettings\n"
        "from weft.data.sources import load\n"
        "from weft.data.splits import split\n"
        f"settings = DataSettings(source={str(path)!r})\n"
        "split(load(settings), settings, None)\n"
        "heavy = {'torch', 'pandas', 'datasets', 'pyarrow', 'sklearn', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
