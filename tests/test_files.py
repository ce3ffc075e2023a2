import hashlib
import os
import stat

import pytest

from tzip import files


def test_replacing_shows_the_whole_file_or_the_old_one(tmp_path) -> None:
    path = tmp_path / "new" / "result.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"

    def killed() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half of the sec")
            raise RuntimeError("killed midway")

    with pytest.raises(RuntimeError, match="killed midway"):
        killed()
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["result.txt"]


def test_a_folder_appears_whole_and_replaces_nothing(tmp_path) -> None:
    path = tmp_path / "new" / "folder"

    def killed() -> None:
        with files.replacing_folder(path) as temporary:
            (temporary / "half").write_text("")
            raise RuntimeError("killed midway")

    with pytest.raises(RuntimeError, match="killed midway"):
        killed()
    assert list(path.parent.iterdir()) == []

    path.mkdir()  # an empty one is as good as none
    with files.replacing_folder(path) as temporary:
        (temporary / "file").write_text("whole")
        assert list(path.iterdir()) == []
    assert [p.name for p in path.parent.rglob("*")] == ["folder", "file"]

    for there in (path, path / "file"):
        with pytest.raises(ValueError, match="exists already"), files.replacing_folder(there):
            raise AssertionError("not reached")
    assert (path / "file").read_text() == "whole"


def test_the_temporary_file_has_the_suffix_and_the_folder_of_the_result(tmp_path) -> None:
    with files.replacing(tmp_path / "figure.png") as temporary:
        assert temporary.suffix == ".png"  # libraries choose a format by it
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"")


def test_a_result_is_as_readable_as_the_users_mask_allows(tmp_path) -> None:
    mask = os.umask(0o027)
    try:
        files.write_text(tmp_path / "shared.txt", "for the group")
        with files.replacing_folder(tmp_path / "shared") as folder:
            (folder / "inner").mkdir(mode=0o700)
            (folder / "inner" / "private").touch(0o600)  # as safetensors writes them
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "shared.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "shared" / "inner").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "shared" / "inner" / "private").stat().st_mode) == 0o640


def test_json_is_the_same_bytes_whatever_the_order_of_keys(tmp_path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "größer"})
    files.write_json(tmp_path / "b.json", {"a": "größer", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert files.read_json(tmp_path / "a.json") == {"a": "größer", "b": 1}
    (tmp_path / "c.json").write_text('{"a":\n oops}')
    with pytest.raises(ValueError, match=r"c\.json: not JSON: .* line 2"):
        files.read_json(tmp_path / "c.json")


def test_sha256(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100_000)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_fingerprints_follow_the_bytes_and_not_the_time(tmp_path) -> None:
    file, cache = tmp_path / "file", tmp_path / "cache.json"
    file.write_text("one")
    (first,) = files.fingerprints([file], cache)
    assert first == files.sha256(file)
    os.utime(file, (1e9, 1e9))
    assert files.fingerprints([file], cache) == [first]
    (tmp_path / "other").write_text("two")
    os.utime(tmp_path / "other", (1e9, 1e9))
    (tmp_path / "other").rename(file)  # as long and as old
    assert files.fingerprints([file], cache) == [files.sha256(file)] != [first]
    cache.write_text("damaged")
    assert files.fingerprints([file, file], cache) == [files.sha256(file)] * 2


@pytest.mark.parametrize(
    ("place", "spelled"),
    [
        (("a.zip", "b/c.txt", 2), "a.zip::b/c.txt#2"),
        (("a.tsv", "", 1), "a.tsv#1"),
        (("part#2", "", 0), "part%232"),
        (("a::b", "c#1", 0), "a%3A%3Ab::c%231"),
        (("50%23", "", 3), "50%2523#3"),
        (("localhost:80/x", "", 0), "localhost:80/x"),
    ],
)
def test_a_place_is_spelled_as_it_is_parsed(place: tuple[str, str, int], spelled: str) -> None:
    assert (files.spell_place(*place), files.parse_place(spelled)) == (spelled, place)


def test_a_file_named_like_the_whole_place_is_it(tmp_path) -> None:
    (tmp_path / "part#2").touch()
    assert files.parse_place(f"{tmp_path}/part#2") == (f"{tmp_path}/part#2", "", 0)
    (tmp_path / "part").touch()
    assert files.parse_place(f"{tmp_path}/part#2") == (f"{tmp_path}/part", "", 2)
