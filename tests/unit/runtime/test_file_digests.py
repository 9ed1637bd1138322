"""Signatures and digests of files, compared with those of DVC."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from dvc.ignore import DvcIgnorePatterns
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.state import State
from dvc_data.hashfile.tree import Tree
from dvc_objects.fs.local import localfs
from pathspec import GitIgnoreSpec
from support.field import ROOT
from support.settings import write

from shoepair.runtime import file_digests

NOTHING = GitIgnoreSpec([])
NAMES = (
    "shoepair/a.py",
    "shoepair/a.py~",
    "shoepair/.a.py.swp",
    "shoepair/#a.py#",
    "shoepair/__pycache__/a.pyc",
    "shoepair/deep/.ipynb_checkpoints/a.py",
    "data/store/.x.h5.ab.part",
    "data/store/x.h5",
    "data/raw/tiny/train/u001_1_left_m.jpg",
    "data/raw/tiny/train/u001_1_left_m.jpg~",
    "data/raw/tiny/.hidden",
    "data/raw/tiny/train/@eaDir/u001_1_left_m.jpg",
    "data/raw/tiny/list.xlsx",
    "models/.git/config",
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_digest_is_that_of_md5() -> None:
    assert file_digests.compute_md5(write(Path("empty"), b"")) == "d41d8cd98f00b204e9800998ecf8427e"
    assert file_digests.compute_md5(write(Path("abc"), b"abc")) == "900150983cd24fb0d6963f7d28e17f72"


def test_files_that_dvc_ignores_are_left_out_and_no_others() -> None:
    shutil.copyfile(ROOT / ".dvcignore", ".dvcignore")
    for name in NAMES:
        write(Path(name), b"x")
    rules = [*file_digests.ALWAYS_IGNORED, *Path(".dvcignore").read_text().splitlines()]
    ignore = DvcIgnorePatterns([line for line in rules if line and line[0] != "#"], str(Path.cwd()), os.sep)
    seen_by_dvc = set()
    for root, folders, files in os.walk(Path.cwd()):
        folders[:], kept = ignore(root, folders, files)
        seen_by_dvc |= {(Path(root) / name).relative_to(Path.cwd()).as_posix() for name in kept}
    rooms = [path for path in Path().iterdir() if path.is_dir()]
    ignored = file_digests.read_ignore_rules()
    seen = {name for path in rooms for name in file_digests.list_signatures(path, ignored)}
    assert seen == seen_by_dvc - {".dvcignore"}
    assert len(seen) == 4


def test_links_to_folders_pipes_and_missing_files_have_no_signature() -> None:
    write(Path("a/file"), b"x")
    Path("a/link").symlink_to("file")
    Path("a/folder").symlink_to(".")
    Path("a/broken").symlink_to("nowhere")
    os.mkfifo("a/pipe")
    assert sorted(file_digests.list_signatures(Path("a"), NOTHING)) == ["a/file", "a/link"]
    assert file_digests.list_signatures(Path("a/file"), NOTHING).keys() == {"a/file"}
    assert file_digests.list_signatures(Path("missing"), NOTHING) == {}


def test_copy_that_keeps_length_and_time_has_another_signature() -> None:
    path = write(Path("a"), b"old")
    before = file_digests.read_signature(path)
    assert before
    write(Path("b"), b"new")
    os.utime("b", ns=(before.mtime_ns, before.mtime_ns))
    Path("b").rename("a")
    after = file_digests.read_signature(path)
    assert after
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert after != before
    assert file_digests.compute_md5_of_noted("a", before) is None
    assert file_digests.compute_md5_of_noted("a", after) == file_digests.compute_md5(path)
    assert file_digests.compute_md5_of_noted("missing", after) is None


def test_digest_of_a_folder_is_that_of_dvc() -> None:
    digests = {"d/y/z": "c81e728d9d4c2f636f067f89cc14862c", "d/x": "c4ca4238a0b923820dcc509a6f75849b", "d/é": "e" * 32}
    tree = Tree()  # type: ignore[no-untyped-call]  # of DVC
    for name, digest in digests.items():
        tree.add(tuple(name.split("/")[1:]), None, HashInfo("md5", digest))
    tree.digest()
    assert file_digests.combine_digests(Path("d"), digests) == tree.hash_info.value
    assert file_digests.combine_digests(Path("d/x"), {"d/x": digests["d/x"]}) == digests["d/x"]


def test_time_is_that_of_the_system_bit_for_bit() -> None:
    path = write(Path("a"), b"x")
    for nanoseconds in range(1_795_891_682_645_494_001, 1_795_891_682_645_494_901, 100):
        os.utime(path, ns=(nanoseconds, nanoseconds))
        assert file_digests._seconds(nanoseconds) == path.stat().st_mtime


def test_digests_come_from_the_state_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    path, other = write(Path("a"), b"x"), write(Path("b"), b"x")
    known, new = file_digests.read_signature(path), file_digests.read_signature(other)
    assert known
    assert new
    assert file_digests.read_dvc_digests({"a": known}) == {}, "no project of DVC"
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(Path.cwd() / "site"))
    with Repo.init(no_scm=True) as repo:
        assert isinstance(repo.state, State)
        repo.state.save(str(path.absolute()), localfs, HashInfo("md5", "of-a"))
    assert file_digests.read_dvc_digests({"a": known, "b": new}) == {"a": "of-a"}
    path.write_bytes(b"y")
    changed = file_digests.read_signature(path)
    assert changed
    assert file_digests.read_dvc_digests({"a": changed}) == {}
    assert file_digests.read_dvc_digests({"a": known}) == {"a": "of-a"}, "asked for the file as it was"


def test_link_into_a_cache_stands_for_its_file_and_no_other_link_does(tmp_path: Path) -> None:
    content = b"photo"
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    cached = write(tmp_path / "anywhere/files/md5" / digest[:2] / digest[2:], content)
    other = write(tmp_path / "secret/passwd", content)
    (tmp_path / "gone").symlink_to(cached.parent / ("0" * 30))
    (tmp_path / "photo").symlink_to(cached)
    (tmp_path / "twice").symlink_to(tmp_path / "photo")
    (tmp_path / "other").symlink_to(other)
    (tmp_path / "folder").symlink_to(cached.parent)
    links = {
        name: file_digests.is_cache_link(tmp_path / name) for name in ("photo", "twice", "other", "folder", "gone")
    }
    assert links == {"photo": True, "twice": True, "other": False, "folder": False, "gone": False}
    assert not file_digests.is_cache_link(cached)
    assert file_digests.is_file_or_cache_link(cached)
    assert file_digests.is_file_or_cache_link(tmp_path / "photo")
    assert not any(file_digests.is_file_or_cache_link(tmp_path / name) for name in ("other", "folder", "gone", "no"))
