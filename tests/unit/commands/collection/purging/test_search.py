"""The places where a purge looks."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from support.settings import write

from shoepair.commands import version_control
from shoepair.commands.collection.purging import records, search
from shoepair.commands.collection.purging.contents import Evidence
from shoepair.commands.collection.purging.derivation import Origins
from shoepair.commands.collection.purging.records import GitBlob
from shoepair.commands.collection.purging.search import Finding, Project
from shoepair.runtime import paths

PHOTO, IMAGE = b"\x89PNG photo of u052", b"\x89PNG another picture"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


EVIDENCE = Evidence({"winter": ["u052"]}, Origins({md5(PHOTO): "photo", "f" * 32: "text"}, {md5(b"other")}))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project, whose cache is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(version_control, "list_tracked_files", lambda: {Path("README.md")})
    monkeypatch.setattr(records, "describe_git_blob", lambda _name: "commit abc")
    cache = tmp_path / ".dvc/cache"
    return Project(tmp_path, cache / "files/md5", cache / "runs", tmp_path / "site/repo/token", cache_is_shared=False)


def shared(project: Project) -> Project:
    return Project(project.root, project.cache, project.run_cache, project.site_cache, cache_is_shared=True)


def add_to_cache(project: Project, content: bytes, suffix: str = "") -> Path:
    digest = md5(content)
    return write(project.cache / digest[:2] / f"{digest[2:]}{suffix}", content)


def test_project_is_walked_without_links_environments_and_tools(project: Project) -> None:
    write(Path("env/pyvenv.cfg"), "")
    for name in ("env/a", ".git/a", "node_modules/a", "cache/a", "kept/.hidden/a"):
        write(Path(name), "")
    Path("link").symlink_to("kept")
    Path("kept/file").symlink_to(".hidden/a")
    assert list(search.walk_files(Path(), {Path("cache")})) == [Path("kept/.hidden/a")]
    assert project.root.is_dir()


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("holiday/sunset.JPG", PHOTO, "photo"),
        ("README.md", PHOTO, "photo"),
        ("holiday/sea.jpg", IMAGE, "picture: may show them"),
        ("dvc_plots/pair.png", IMAGE, "picture"),
        ("checkpoints/cnn.safetensors", b"\0", "binary file"),
        (".dvc/tmp/note", b"u052", "text"),
        ("reports/old.md", b"u052", "text"),
        ("data/store/.a.h5.x.part", b"\x89HDF", "store"),
        ("reports/cnn.onnx", b"\0", "binary file: a model, an archive or the like: may be made of their photos"),
        ("notes.txt", b"u052", "text: names a student of this id"),
        ("README.md", b"forget u052", ""),
        ("copy-of-readme", b"tracked, u052", ""),
        ("holiday/other", b"other", ""),
        ("data/withdrawn.yaml", b"u052", ""),
        (".dvc/cache/files/md5/ab/c", PHOTO, ""),
    ],
)
def test_file_of_the_project_is_deleted_listed_or_left(
    path: str, content: bytes, expected: str, project: Project
) -> None:
    write(Path(path), content)
    found = list(search.search_project(project, EVIDENCE, [GitBlob("1", md5(b"tracked, u052"), b"")]))
    kind, _, reason = expected.partition(": ")
    assert found == ([Finding(search.PROJECT, kind, Path(path), reason)] if expected else [])


def test_workspace_of_an_experiment_is_deleted_as_a_whole(project: Project) -> None:
    for name, content in (("theirs", IMAGE), ("clean", b"other")):
        write(search.EXPERIMENTS_FOLDER / name / ".dvc/config", "")
        write(search.EXPERIMENTS_FOLDER / name / "data/x", content)
    found = list(search.search_project(project, EVIDENCE, []))
    assert found == [Finding(search.EXPERIMENTS, "workspace", search.EXPERIMENTS_FOLDER / "theirs")]


def test_cache_of_this_project_is_read_and_a_shared_one_only_by_name(project: Project) -> None:
    theirs, picture = add_to_cache(project, PHOTO), add_to_cache(project, IMAGE)
    text = add_to_cache(project, b"quarantined: u052")
    listing = add_to_cache(project, b'[{"md5": "1", "relpath": "train/u052_1_left_m.jpg"}]', ".dir")
    for content, suffix in ((b"other", ""), (b"unnamed", ""), (b"[]", ".dir")):
        add_to_cache(project, content, suffix)
    torn = write(project.cache.parent / "tmp/x", PHOTO)
    found = {finding.path: (finding.kind, finding.reason) for finding in search.search_cache(project, EVIDENCE)}
    assert found.pop(torn) == ("photo", "")
    reason = "may show them; no version of the project names it"
    assert found == {theirs: ("photo", ""), text: ("text", ""), listing: ("listing", ""), picture: ("picture", reason)}
    assert list(search.search_cache(shared(project), EVIDENCE)) == [Finding(search.CACHE, "photo", theirs)]


def test_run_that_names_their_files_is_deleted_unless_it_is_another_projects(project: Project) -> None:
    entry = "cmd: x\ndeps:\n- path: a\n  md5: {}\nouts:\n- path: b\n  md5: {}\n"
    names = {"ours": (md5(PHOTO), "a" * 32), "foreign": (md5(PHOTO), "b" * 32), "clean": ("a" * 32, "b" * 32)}
    for name, digests in names.items():
        write(project.run_cache / "ab/abc" / name, entry.format(*digests))
    evidence = Evidence({}, Origins({md5(PHOTO): "photo"}, set(), {md5(PHOTO), "a" * 32}))
    assert [found.path.name for found in search.search_run_cache(project, evidence)] == ["foreign", "ours"]
    assert [found.path.name for found in search.search_run_cache(shared(project), evidence)] == ["ours"]


def test_databases_of_dvc_about_this_project_are_deleted_where_they_name_them(project: Project) -> None:
    site = project.site_cache.parent
    write(project.site_cache / "index/db", f"x{md5(PHOTO)}.dir")
    write(site / "experiment/db", f"{project.root}/.dvc/tmp/exps/a/data/raw/winter/u052_1_left_m.jpg")
    write(site / "clean/db", f"{project.root}/params.yaml")
    write(site / "another/db", "/elsewhere/u052_1_left_m.jpg")
    found = [finding.path.name for finding in search.search_site_cache(project, EVIDENCE)]
    assert found == ["experiment", "token"]


def test_temporary_folders_of_this_projects_programs_are_searched(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    photo = write(temporary / "shoepair-a/train/1.jpg", PHOTO)
    named = write(temporary / "shoepair-a/train/u052_2_left_m.jpg", IMAGE)
    write(temporary / "shoepair-a/train/u001_2_left_m.jpg", IMAGE)
    write(temporary / "of-another-program/u052_2_left_m.jpg", PHOTO)
    for session, text in (("ours", f"{project.root}/u052"), ("clean", f"{project.root}/"), ("foreign", "/other/u052")):
        write(temporary / f"ray/session_{session}/logs/out", text)
    ours = temporary / "ray/session_ours"
    monkeypatch.setattr(search, "_is_running", lambda _session: False)
    assert list(search.search_temporary_folders(project, EVIDENCE)) == [
        Finding(search.TEMPORARY, "photo", photo),
        Finding(search.TEMPORARY, "photo", named, "named like a withdrawn student's photo"),
        Finding(search.TEMPORARY, "session of Ray", ours),
    ]
    monkeypatch.setattr(search, "_is_running", lambda _session: True)
    running = list(search.search_temporary_folders(project, EVIDENCE))[-1]
    assert running == Finding(search.TEMPORARY, "session of Ray", ours, "still runs: `ray stop` ends it")


def test_photos_in_git_are_listed_and_its_metrics_are_not() -> None:
    blobs = [GitBlob("1" * 40, md5(PHOTO), b""), GitBlob("2" * 40, "f" * 32, b""), GitBlob("3" * 40, "0" * 32, b"")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "describe_git_blob", lambda _name: "commit abc")
        (found,) = search.search_git(EVIDENCE, blobs)
    assert found.path == Path(f"commit abc, object {'1' * 12}")
    assert "`git stash drop`" in found.reason
    assert paths.WITHDRAWN_LIST.name == "withdrawn.yaml"
