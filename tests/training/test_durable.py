"""What must outlast a power cut is synced before anything speaks of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.training import durable


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files and folders in the order in which they were synced."""
    found: list[Path] = []
    sync = durable.sync

    def told(path: Path) -> None:
        sync(path)
        found.append(path)

    monkeypatch.setattr(durable, "sync", told)
    return found


def test_every_folder_that_names_a_new_one_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    durable.make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    durable.make_folders(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3


def test_a_folder_that_may_not_be_listed_takes_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(durable, "sync", refuse)
    durable.make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        durable.make_folders(tmp_path / "a" / "b")


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, synced: list[Path]
) -> None:
    durable.write_durably(tmp_path / "a.json", b"{}")
    assert synced == [tmp_path / "a.json.part", tmp_path]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
