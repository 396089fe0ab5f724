"""Restoring a snapshot: the same files, and nothing outside of the target."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machinable.errors import StorageError
from machinable.snapshot import restore

from .conftest import Repository

LINK = stat.S_IFLNK | 0o777


def packed(path: Path, *entries: tuple[str, str] | tuple[str, str, int]) -> str:
    """A zip as somebody else may have made it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text, *mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.create_system = 3
            info.external_attr = (mode[0] if mode else stat.S_IFREG | 0o644) << 16
            archive.writestr(info, text)
    return str(path)


def below(path: Path) -> list[str]:
    return sorted(found.relative_to(path).as_posix() for found in path.rglob("*"))


def test_files_come_back_with_content_executable_bit_and_links(project: Repository, tmp_path: Path) -> None:
    project.write({"train.py": "é\n", "a/run.sh": "#!"})
    (project.root / "a" / "run.sh").chmod(0o755)
    (project.root / "link").symlink_to("a/run.sh")
    target = tmp_path / "new" / "target"
    assert restore(project.take().path, str(target)) == 3
    assert below(target) == ["a", "a/run.sh", "link", "train.py"]
    assert (target / "train.py").read_text() == "é\n"
    assert os.access(target / "a" / "run.sh", os.X_OK) and not os.access(target / "train.py", os.X_OK)
    assert os.readlink(target / "link") == "a/run.sh"
    assert os.listdir(target.parent) == ["target"]


def test_what_is_restored_has_the_same_snapshot(project: Repository, tmp_path: Path) -> None:
    snapshot = project.commit({"train.py": "1", "a/b.py": "2", ".gitignore": "*.log\n"}).take()
    restore(snapshot.path, str(tmp_path / "target"))
    assert Repository(tmp_path / "target", tmp_path / "storage").take().hash == snapshot.hash


def test_an_empty_directory_is_a_target(project: Repository, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    restore(project.write({"train.py": ""}).take().path, str(tmp_path / "target"))
    assert below(tmp_path / "target") == ["train.py"]


def test_a_directory_in_use_is_refused_unless_asked(project: Repository, tmp_path: Path) -> None:
    path = project.write({"train.py": "new", "a/b.py": ""}).take().path
    target = Repository(tmp_path / "target", tmp_path).write({"train.py": "mine", "other.py": "mine"}).root
    with pytest.raises(StorageError, match="not empty"):
        restore(path, str(target))
    assert (target / "train.py").read_text() == "mine"
    restore(path, str(target), overwrite=True)
    assert below(target) == ["a", "a/b.py", "other.py", "train.py"]
    assert (target / "train.py").read_text() == "new"


def test_links_that_stand_in_the_target_are_not_followed(project: Repository, tmp_path: Path) -> None:
    path = project.write({"a/b.py": "new", "c.py": "new"}).take().path
    outside = Repository(tmp_path / "outside", tmp_path).write({"c.py": "mine"}).root
    target = tmp_path / "target"
    target.mkdir()
    (target / "c.py").symlink_to(outside / "c.py")
    restore(path, str(target), overwrite=True)
    assert (outside / "c.py").read_text() == "mine"  # the link was replaced, not written through
    (target / "a" / "b.py").unlink()
    (target / "a").rmdir()
    (target / "a").symlink_to(outside)
    with pytest.raises(StorageError, match="remove it first"):
        restore(path, str(target), overwrite=True)
    assert below(outside) == ["c.py"]


def test_a_directory_where_a_file_belongs_is_refused_before_anything_is_written(
    project: Repository, tmp_path: Path
) -> None:
    path = project.write({"a.py": "", "b": ""}).take().path
    (tmp_path / "target" / "b").mkdir(parents=True)
    with pytest.raises(StorageError, match="is a directory"):
        restore(path, str(tmp_path / "target"), overwrite=True)
    assert below(tmp_path / "target") == ["b"]


HOSTILE = {
    "above": [("../evil", "")],
    "above later": [("a/../../evil", "")],
    "absolute": [("/tmp/evil", "")],
    "backslashes": [("..\\evil", "")],
    "absolute backslash": [("\\evil", "")],
    "drive": [("C:/evil", "")],
    "network": [("//server/evil", "")],
    "dot": [("./evil", "")],
    "nothing": [("a//evil", "")],
    "directory above": [("../evil/", "")],
    "link above": [("link", "../evil", LINK)],
    "link absolute": [("link", "/etc", LINK)],
    "link to drive": [("link", "C:\\evil", LINK)],
    "link by links": [("a/b/c", "../..", LINK), ("link", "a/b/c/..", LINK)],
    "empty link": [("link", "", LINK)],
    "through a link": [("link", "a", LINK), ("link/evil", ""), ("a/x", "")],
    "through a file": [("a", ""), ("a/evil", "")],
    "twice": [("a", "1"), ("a", "2")],
    "file and link": [("a", "1"), ("a", "b", LINK)],
    "device": [("a", "", stat.S_IFCHR | 0o644)],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_would_leave_the_target_is_refused_and_nothing_written(
    tmp_path: Path, entries: list[tuple[str, str]]
) -> None:
    path = packed(tmp_path / "hostile.zip", ("first.py", "1"), *entries)
    with pytest.raises(StorageError, match="is refused") as caught:
        restore(path, str(tmp_path / "in" / "target"))
    assert "\n" not in str(caught.value)
    assert below(tmp_path) == ["home", "hostile.zip"]


@pytest.mark.parametrize("target", ["self", "sub/../x", "../a/b", "missing", "./x"])
def test_links_inside_the_target_are_fine(tmp_path: Path, target: str) -> None:
    restore(packed(tmp_path / "x.zip", ("a/self", target, LINK), ("x", "")), str(tmp_path / "target"))
    assert os.readlink(tmp_path / "target" / "a" / "self") == target


def test_a_damaged_zip_is_one_clear_line_and_leaves_nothing(project: Repository, tmp_path: Path) -> None:
    path = Path(project.write({"train.py": "print('a long line')"}).take().path)
    whole = path.read_bytes()
    for damage in (b"", b"no zip", whole[:50], whole.replace(b"long", b"lung")):
        path.write_bytes(damage)
        with pytest.raises(StorageError, match="is damaged") as caught:
            restore(str(path), str(tmp_path / "target"))
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "target").exists()


def test_a_missing_snapshot_and_a_target_that_is_a_file_are_clear(
    project: Repository, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match=r"There is no snapshot .*nothing\.zip"):
        restore(str(tmp_path / "nothing.zip"), str(tmp_path / "target"))
    (tmp_path / "file").write_text("")
    path = project.write({"train.py": ""}).take().path
    with pytest.raises(StorageError, match="is a file"):
        restore(path, str(tmp_path / "file"))
    with pytest.raises(StorageError, match="Can not restore to"):
        restore(path, str(tmp_path / "file" / "below"))


words = st.sampled_from(["a", "b", "..", ".", "c"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    links=st.dictionaries(
        st.sampled_from(["l", "a/l", "a/b/l", "m", "a/m"]),
        st.lists(words | st.sampled_from(["l", "m"]), min_size=1, max_size=5).map("/".join),
        min_size=1,
    )
)
def test_no_link_that_is_restored_leads_out(tmp_path: Path, links: dict[str, str]) -> None:
    import shutil

    target = tmp_path / "up" / "target"
    shutil.rmtree(tmp_path / "up", ignore_errors=True)
    path = packed(tmp_path / "x.zip", ("a/b/x", ""), *((name, to, LINK) for name, to in links.items()))
    try:
        restore(path, str(target))
    except StorageError:
        assert not target.exists()
        return
    for name in links:
        try:
            led = (target / name).resolve(strict=True)
        except (OSError, RuntimeError):
            continue  # in a circle, or to nothing
        assert led.is_relative_to(target)
