"""The folder of the project, found from any folder in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import write

from shoepair.runtime import project_root
from shoepair.runtime.errors import ShoepairError


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in a folder `Mono repo's` with a dvc.yaml and a params.yaml of another one."""
    project = tmp_path / "Mono repo's" / "schöne Schuhe"
    for name in project_root.PROJECT_FILES:
        write(project / name, "")
        if name.parent == Path():
            write(project.parent / name, "")
    (project / "data/raw/a").mkdir(parents=True)
    monkeypatch.chdir(project)


def test_project_is_found_from_every_folder_in_it_and_from_none_around() -> None:
    root = Path.cwd()
    for folder in (root, root / "stages", root / "data/raw/a"):
        assert project_root.find_root(folder) == root
    for folder in (root.parent, root.parent.parent, Path("/")):
        with pytest.raises(ShoepairError, match=r"in no shoepair project.*; nothing was changed\nrun the command in"):
            project_root.find_root(folder)


def test_inner_project_is_found_first() -> None:
    inner = Path.cwd() / ".dvc/tmp/exps/x"
    for name in project_root.PROJECT_FILES:
        write(inner / name, "")
    assert project_root.find_root(inner / "stages") == inner


def test_command_runs_in_the_project_with_the_paths_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path.cwd()
    seen: list[object] = []

    @project_root.in_project
    def command(source: Path, name: str, *, output: Path | None = None, top: int = 3) -> str:
        seen.extend([Path.cwd(), source.resolve(), name, output and output.resolve(), top])
        return "done"

    write(root / "data/my.zip", "x")
    monkeypatch.chdir(root / "data/raw")
    assert command(Path("../my.zip"), "data", output=Path("x.onnx")) == "done"
    assert seen == [root, root / "data/my.zip", "data", root / "data/raw/x.onnx", 3]
    seen.clear()
    command(Path("data/my.zip"), "raw")
    assert seen == [root, root / "data/my.zip", "raw", None, 3]
    assert command.__name__ == "command"


def test_path_stays_as_it_was_typed_in_the_project_itself_and_where_it_is_absolute() -> None:
    assert project_root.rebase_path(Path("../late.zip"), Path.cwd()) == Path("../late.zip")
    assert project_root.rebase_path(Path("/x/late.zip"), Path("/y")) == Path("/x/late.zip")


def test_folder_that_was_deleted_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ShoepairError, match="the current directory was deleted"):
        project_root.enter_root()
    monkeypatch.chdir(tmp_path)
