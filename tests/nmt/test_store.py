"""What runs share: found by content, copied whole, not believed when damaged."""

from pathlib import Path

import pytest

from tzip.nmt import store


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    paths = {"model": tmp_path / "run" / "model", "summary": tmp_path / "run" / "summary"}
    paths["model"].parent.mkdir()
    for name, path in paths.items():
        path.write_text(f"the {name}")
    return paths


def elsewhere(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / "other" / name for name in ("model", "summary")}


def test_what_is_kept_is_found_elsewhere(tmp_path: Path, outputs: dict[str, Path]) -> None:
    shelf, there = tmp_path / "store", elsewhere(tmp_path)
    assert not store.fetch(shelf, "ab12", there)
    store.keep(shelf, "ab12", outputs)
    assert store.fetch(shelf, "ab12", there)
    assert {name: path.read_text() for name, path in there.items()} == {"model": "the model", "summary": "the summary"}
    assert not store.fetch(shelf, "ab13", there)


def test_damaged_it_is_not_there_and_can_be_kept_again(tmp_path: Path, outputs: dict[str, Path]) -> None:
    shelf, there = tmp_path / "store", elsewhere(tmp_path)
    store.keep(shelf, "ab12", outputs)
    (shelf / "ab" / "ab12" / "model").write_text("another model")
    assert not store.fetch(shelf, "ab12", there)
    assert not any(path.exists() for path in there.values())
    store.keep(shelf, "ab12", outputs)
    assert store.fetch(shelf, "ab12", there)


def test_kept_twice_it_is_there_once(tmp_path: Path, outputs: dict[str, Path]) -> None:
    shelf = tmp_path / "store"
    store.keep(shelf, "ab12", outputs)
    before = (shelf / "ab" / "ab12" / "model").stat().st_mtime_ns
    store.keep(shelf, "ab12", outputs)
    assert (shelf / "ab" / "ab12" / "model").stat().st_mtime_ns == before
    assert [path.name for path in (shelf / "ab").iterdir()] == ["ab12"]


def test_the_name_follows_from_settings_and_bytes_alone(tmp_path: Path) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(text)
    about = {"updates": 3, "seed": 1}
    first = store.key(about, [tmp_path / "a"])
    assert store.key({"seed": 1, "updates": 3}, [tmp_path / "b"]) == first
    assert store.key(about, [tmp_path / "c"]) != first
    assert store.key(about | {"seed": 2}, [tmp_path / "a"]) != first
