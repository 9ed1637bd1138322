"""The page "Copy this pipeline": its edits, made as they stand there, give a pipeline for gloves that runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.commands import Run, use_real_programs
from support.field import ROOT, edit, write_photo

from shoepair.runtime import paths

PAGE = ROOT / "docs/copy.md"
EDIT = re.compile(r"^\| `(?P<file>[^`]+)` \| `(?P<old>[^`]+)` \| (?:`(?P<new>[^`]+)`)? ?\|$", re.MULTILINE)
WORDS_IN = re.compile(r"^- `([^`]+)`$", re.MULTILINE)
SETS = {"train": range(1, 8), "holdout": range(21, 24)}


def write_gloves(folder: Path) -> None:
    for name, people in SETS.items():
        for person in people:
            for pair in (1, 2, 3):
                for number, side in enumerate(("left", "right")):
                    category = "mw"[person % 2]
                    path = folder / name / f"g{person:03}_{pair}_{side}_{category}.jpg"
                    write_photo(path, [person, pair, number, len(name)])


def make_edits(project: Path) -> None:
    text = PAGE.read_text()
    edits = list(EDIT.finditer(text))
    assert len(edits) == sum(line.startswith("| `") for line in text.splitlines()), "a row that is no edit"
    for found in edits:
        edit(project / found["file"], found["old"], found["new"] or "")
    for name in WORDS_IN.findall(text):
        path = project / name
        content = re.sub(r"\bshoe(s?)\b", r"glove\1", path.read_text())
        path.write_text(re.sub(r"\bShoe(s?)\b", r"Glove\1", content))


@pytest.mark.usefixtures("repository")
def test_edits_of_the_page_give_a_pipeline_for_gloves(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)  # others would run the code of this project, not of the copy
    monkeypatch.setenv("PYTHONPATH", str(project))
    shutil.rmtree(project / "data/raw/tiny")
    paths.BATCH_LIST.write_text("batches: []\nsynthetic_classes: {}\n")
    make_edits(project)
    write_gloves(project.parent / "gloves")
    commands = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[0].splitlines()
    for line in commands:
        done = run("sh", "-c", line.replace("path/to", ".."))
        assert "Traceback" not in done.stderr, line
    page = (project / "reports/index.html").read_text()
    shown = re.sub(r"<(style|script|svg).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "gloves" in shown
    assert not re.findall(r"\b[Ss]hoes?\b.{0,60}", shown)
    assert "gloves of others" in shown
    photos = (project / "reports/photos.html").read_text()
    assert not re.findall(r"\b[Ss]hoes?\b.{0,60}", re.sub(r"<style.*?</style>", "", photos, flags=re.DOTALL))
    assert not re.search(r"test_[mw]|men's shoes", shown)
    assert "holdout" in run("shoepair", "metrics").stdout
