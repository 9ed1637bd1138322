"""The README's commands, run as they stand there, one after the other, on a tiny class in the place of a real one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.commands import Run, commit, ran
from support.field import ROOT, edit, write_class

from shoepair.runtime import paths

CLASS = {"train": ("u001", "u002", "u003", "u005", "u017", "u052"), "test_m": ("u021",), "test_w": ("u034",)}
# Run by `.ci/run`, or needs an environment of its own; with real photos: `shoepair add`, `dvc repro`.
ELSEWHERE = ["make repro", "make test", "make repro PHOTOS=path/to/winter"]
# Install from the network; and test_places.py.
ELSEWHERE += [
    "python -m pip install --requirement requirements.lock",
    "python -m pip install torch==2.13.0",
    "python -m pip install --no-deps --no-build-isolation --editable .",
    "python -m shoepair repro",
]
# Wait for Ctrl-C, or need photos of one's own: test_verdicts.py, test_matching.py, test_web.py, test_exports.py.
ELSEWHERE += [
    "shoepair check left.jpg right.jpg",
    "shoepair check path/to/shoes",
    "shoepair serve",
    "shoepair export onnx",
]


def commands() -> list[str]:
    """The lines of the README's shell blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def winter(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with one class, as `make repro PHOTOS=path/to/winter` leaves it."""
    place = project / "shoepair-clone"
    place.mkdir()
    for path in list(project.iterdir()):
        if path != place:
            path.rename(place / path.name)
    monkeypatch.chdir(place)
    shutil.rmtree(place / "data/raw")
    paths.BATCH_LIST.write_text("batches: []\nsynthetic_classes: {}\n")
    edit(paths.PARAMS, "epochs: 2 ", "epochs: 1 ")
    (project / "handed-in").mkdir()
    (place / "path").symlink_to(project / "handed-in")  # what is handed in lies outside the project
    write_class(place / "path/to/winter", CLASS)
    write_class(place / "path/to/late", {"train": ("u200", "u201")})
    shutil.make_archive(str(place / "path/to/late"), "zip", place / "path/to/late")
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    run("shoepair", "add", "path/to/winter", "--name", "winter", "--alone")
    run("dvc", "repro", "-q")
    commit("Add winter")
    return place


def test_tour_of_the_readme_works_as_copied(winter: Path, run: Run) -> None:
    tour = [line for line in commands() if line not in ELSEWHERE]
    said = {}
    for line in tour:
        done = run("sh", "-c", line)
        said[line] = done.stdout
        assert "Traceback" not in done.stderr, line
    assert len(tour) > 30
    assert set(commands()) - set(tour) == set(ELSEWHERE)
    assert ran(said[next(line for line in tour if "../elsewhere" in line)]) == {"synthetic"}
    assert "valid, can be added as batch 'late'" in said["shoepair add path/to/late.zip --name late --dry-run"]
    assert ran(said["dvc exp run -S lr=0.0005 -n slower"]) == {"train@cnn", "train@cnn_channel", "evaluate", "report"}
    assert not [path for path in (winter / "data").rglob("*") if path.name.startswith("u052")]
