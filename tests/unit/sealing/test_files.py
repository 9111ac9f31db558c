"""Durable files and safe names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import files
from sealing.errors import NotFound, TooLarge
from sealing.files import AlreadyExists, PathRefused

OF_ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_is_complete_and_alone(folder: Path) -> None:
    path = folder / "a" / "b" / "file"
    files.write_new(path, (part for part in (b"a", b"", b"bc")), mode=0o440)
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o777 == 0o440
    assert path.stat().st_nlink == 1
    assert names(path.parent) == ["file"]


def test_a_file_is_never_replaced_by_a_new_one(folder: Path) -> None:
    path = folder / "file"
    files.write_new(path, b"abc")
    for data in (b"abc", b"abd"):
        with pytest.raises(AlreadyExists):
            files.write_new(path, data)
    assert path.read_bytes() == b"abc"
    assert names(folder) == ["file"]


def test_an_identical_file_is_adopted_if_asked_for(folder: Path) -> None:
    path = folder / "file"
    files.write_new(path, b"abc")
    files.write_new(path, iter([b"ab", b"c"]), adopt_identical=True)
    for data in (b"abd", b"ab", b"abcd"):
        with pytest.raises(AlreadyExists):
            files.write_new(path, data, adopt_identical=True)
    assert names(folder) == ["file"]


def test_a_link_is_neither_followed_nor_adopted(folder: Path) -> None:
    (folder / "target").write_bytes(b"abc")
    link = folder / "link"
    link.symlink_to("target")
    with pytest.raises(AlreadyExists):
        files.write_new(link, b"abc", adopt_identical=True)
    link.unlink()
    link.symlink_to("nowhere")
    with pytest.raises(AlreadyExists):
        files.write_new(link, b"abc")
    assert not (folder / "nowhere").exists()


def test_nothing_is_left_of_a_file_that_could_not_be_written(folder: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise OSError("the source dried up")

    with pytest.raises(OSError, match="dried up"):
        files.write_new(folder / "file", broken())
    with pytest.raises(OSError, match="dried up"):
        files.replace(folder / "file", broken())
    assert names(folder) == []


def test_replacing_keeps_the_old_file_until_the_new_one_is_complete(folder: Path) -> None:
    path = folder / "below" / "state"
    files.replace(path, b"one")

    def watching() -> Iterator[bytes]:
        yield b"t"
        assert path.read_bytes() == b"one"
        yield b"wo"

    files.replace(path, watching(), mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(path.parent) == ["state"]


def test_killed_at_any_moment_a_file_is_there_whole_or_not_at_all(folder: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from sealing import files\n"
        "def parts():\n"
        "    yield b'x' * 100_000\n"
        "    if sys.argv[2] == 'during': os._exit(9)\n"
        "files.write_new(Path(sys.argv[1]), parts()); os._exit(9)\n"
    )
    for moment, expected in (("during", []), ("after", [100_000])):
        below = folder / moment
        below.mkdir()
        command = [sys.executable, "-c", script, str(below / "file"), moment]
        done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)
        assert done.returncode == 9
        visible = [path for path in below.iterdir() if not path.name.startswith(".")]
        assert [path.stat().st_size for path in visible] == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "/",
        "a\\b",
        "a\x00b",
        "a\nb",
        "\ud800",
        "x" * 256,
        "a/" * 600 + "a",
        "link",
        "link/file",
        "folder/link/file",
        "dangling",
    ],
)
def test_names_that_do_not_stay_below_the_folder(folder: Path, name: str) -> None:
    root = folder / "root"
    (root / "folder").mkdir(parents=True)
    (folder / "outside").mkdir()
    (root / "link").symlink_to(folder / "outside")
    (root / "folder" / "link").symlink_to("..")
    (root / "dangling").symlink_to("nowhere")
    with pytest.raises(PathRefused) as caught:
        files.safe_join(root, name)
    assert caught.value.message == "Not a name below the folder."


@pytest.mark.parametrize("name", ["a", "a/b/c.zip", "file/b", ".hidden", "a b", "ä", "..."])
def test_names_below_the_folder_whether_or_not_they_exist(folder: Path, name: str) -> None:
    (folder / "file").write_bytes(b"")
    assert files.safe_join(folder, name) == folder / name


def test_the_folder_itself_may_be_reached_by_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "alias").symlink_to("real")
    assert files.safe_join(folder / "alias", "a") == folder / "alias" / "a"


def test_a_file_gets_a_second_name_and_replaces_nothing(folder: Path) -> None:
    (folder / "scratch").write_bytes(b"abc")
    (folder / "taken").write_bytes(b"xyz")
    files.link_new(folder / "scratch", folder / "file")
    assert (folder / "file").stat().st_nlink == 2
    for name in ("taken", "file"):
        with pytest.raises(AlreadyExists):
            files.link_new(folder / "scratch", folder / name)
    assert (folder / "taken").read_bytes() == b"xyz"


def test_a_folder_gets_its_name_in_one_step(folder: Path) -> None:
    scratch = folder / ".scratch"
    scratch.mkdir()
    (scratch / "file").write_bytes(b"abc")
    files.move_folder(scratch, folder / "a" / "b" / "final")
    assert (folder / "a" / "b" / "final" / "file").read_bytes() == b"abc"
    assert names(folder) == ["a"]


@pytest.mark.parametrize("taken", ["folder", "file"])
def test_a_folder_replaces_nothing(folder: Path, taken: str) -> None:
    scratch, final = folder / ".scratch", folder / "final"
    scratch.mkdir()
    (scratch / "file").write_bytes(b"abc")
    if taken == "folder":
        final.mkdir()
        (final / "other").write_bytes(b"xyz")
    else:
        final.write_bytes(b"xyz")
    with pytest.raises(AlreadyExists):
        files.move_folder(scratch, final)
    assert (scratch / "file").read_bytes() == b"abc"
    assert (final / "other" if taken == "folder" else final).read_bytes() == b"xyz"


@given(st.text(st.sampled_from("a./\\\x00 "), max_size=12))
def test_a_safe_name_is_below_the_folder(name: str) -> None:
    root = Path("/nonexistent/root")
    try:
        path = files.safe_join(root, name)
    except PathRefused:
        return
    assert os.path.normpath(path) == str(path)
    assert path.is_relative_to(root)
    assert path != root


def test_regular_files_are_read_whole(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"abc")
    assert files.read_regular(path, 3) == b"abc"
    with pytest.raises(TooLarge):
        files.read_regular(path, 2)


def test_what_is_no_regular_file_is_not_read(folder: Path) -> None:
    (folder / "file").write_bytes(b"abc")
    (folder / "link").symlink_to("file")
    os.mkfifo(folder / "pipe")
    for name in ("link", "pipe", ".", "absent", "file/x"):
        with pytest.raises(NotFound):
            files.read_regular(folder / name, 100)
    with pytest.raises(NotFound):
        files.read_regular(Path("/dev/zero"), 100)
