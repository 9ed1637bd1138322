"""The commands of README and of docs, run as they stand there one after the other, on a tiny class for a real one.

A block of commands that cannot run here has the line `<!-- not run by the tests ... -->` above it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.commands import Run, ran
from support.field import ROOT, edit, write_class

from shoepair.runtime import paths

CLASS = {"train": ("u001", "u002", "u003", "u005", "u017", "u052"), "test_m": ("u021",), "test_w": ("u034",)}
PAGES = ("class", "growing", "experiments", "check", "machines")  # in the order in which README names them
OTHER_PAGES = {
    "copy": "test_copy.py",
    "scale": "needs a bucket: tests/system/test_storage_stages.py has one",
}
README_ELSEWHERE = {
    "make repro": "installs packages; `.ci/run` and the fixture do the rest",
    "make test": "installs packages, and is what runs this",
    "shoepair serve": "waits for Ctrl-C: tests/system/test_web.py",
}
NOT_SURE = 3  # exit status of `shoepair check`: no model of a tiny class is sure
BLOCK = re.compile(r"^(?P<mark><!-- not run by the tests.* -->\n)?```sh\n(?P<lines>.*?)^```", re.DOTALL | re.MULTILINE)


def list_commands(page: Path, *, marked: bool = False) -> list[str]:
    """Return the lines of a page's shell blocks without comments; of those that are marked as not run, if wanted."""
    blocks = [found["lines"] for found in BLOCK.finditer(page.read_text()) if bool(found["mark"]) == marked]
    lines = [re.sub(r"(^|\s+)#.*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def take_tour(run: Run, commands: list[str]) -> dict[str, str]:
    """Run commands; return what each printed."""
    said = {}
    for line in commands:
        done = run("sh", "-c", line, status=NOT_SURE if line.startswith("shoepair check ") else 0)
        said[line] = done.stdout
        assert "Traceback" not in done.stderr, line
    return said


@pytest.fixture
def clone(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone before any class, and photos of two classes beside it."""
    place = project / "shoepair-clone"
    place.mkdir()
    for path in list(project.iterdir()):
        if path != place:
            path.rename(place / path.name)
    monkeypatch.chdir(place)
    shutil.rmtree(place / "data/raw")
    paths.BATCH_LIST.write_text("batches: []\nsynthetic_classes: {}\n")
    edit(paths.PARAMS, "epochs: 2 ", "epochs: 1 ")
    (place / "docs").mkdir()
    for side in ("left", "right"):
        shutil.copyfile(ROOT / f"docs/{side}.png", place / f"docs/{side}.png")
    (project / "handed-in").mkdir()
    (place / "path").symlink_to(project / "handed-in")  # what is handed in lies outside the project
    write_class(place / "path/to/winter", CLASS)
    write_class(place / "path/to/late", {"train": ("u200", "u201")})
    shutil.make_archive(str(place / "path/to/late"), "zip", place / "path/to/late")
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Begin")
    return place


def test_doors_of_the_readme_work_as_copied_one_after_the_other(clone: Path, run: Run) -> None:
    lines = list_commands(ROOT / "README.md")
    assert README_ELSEWHERE.keys() < set(lines)
    tour = [line.replace("make repro PHOTOS=", "shoepair repro --photos ") for line in lines]  # without installation
    tour = [line for line in tour if line not in README_ELSEWHERE]
    said = take_tour(run, tour)
    assert len(tour) > 6
    assert "siamese" not in said["shoepair experiments"]
    assert "slower" in said["shoepair experiments"]
    assert "pair" in next(text for line, text in said.items() if line.startswith("shoepair check"))
    assert (clone.parent / "gloves/shoepair").is_dir()
    assert run("git", "status", "--porcelain", "--untracked-files=no").stdout == "", "a door left something behind"


def test_pages_of_docs_run_as_written_one_after_the_other(clone: Path, run: Run) -> None:
    tour = [line for page in PAGES for line in list_commands(ROOT / f"docs/{page}.md")]
    said = take_tour(run, tour)
    assert len(tour) > 40
    assert ran(said[next(line for line in tour if "../elsewhere" in line)]) == {"synthetic"}
    assert "valid, can be added as batch 'late'" in said["shoepair add path/to/late.zip --name late --dry-run"]
    assert ran(said["dvc exp run --temp -S lr=0.0005 -n slower"]) == {
        "synthetic",  # not in the cache from which a workspace of its own is filled
        "train@cnn",
        "train@cnn_channel",
        "evaluate",
        "report",
    }
    assert not [path for path in (clone / "data").rglob("*") if path.name.startswith("u052")]


def test_every_page_with_commands_has_a_tour_and_what_is_not_run_says_so() -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md") if "```sh\n" in path.read_text()}
    assert pages == {*PAGES, *OTHER_PAGES}
    assert all(list_commands(ROOT / f"docs/{page}.md") for page in PAGES)
    assert list_commands(ROOT / "docs/class.md", marked=True) == ["make repro PHOTOS=path/to/winter"]
