"""Tiny classes: photos of random pixels, and a project that contains them."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.kill import outputs as outputs

ROOT = Path(__file__).parent.parent.parent
EDGE = 32
# Plots in dvc.yaml of models that are not trained in tests.
UNTRAINED = re.compile(r" *plots/\w+/(histogram|siamese|efficientnet_\w+)\.csv: ")
CLASS = {"train": ("u001", "u002", "u003", "u005", "u008", "u013"), "test_m": ("u021",), "test_w": ("u034",)}


def write_photo(path: Path, seed: Iterable[int], edge: int = EDGE) -> None:
    """Write an RGBA PNG of a random colour with noise, whatever the suffix of the file."""
    rng = np.random.default_rng(list(seed))
    pixels = rng.integers(0, 60, (edge, edge, 4), np.uint8) + rng.integers(0, 190, 4, np.uint8)
    pixels[..., 3] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")


def write_student(folder: Path, student: str, category: str = "m", extension: str = "jpg") -> list[Path]:
    """Write the six photos of one student and return their paths."""
    written = []
    for pair in (1, 2, 3):
        for number, side in enumerate(("left", "right")):
            path = folder / f"{student}_{pair}_{side}_{category}.{extension}"
            write_photo(path, [int(student[1:]), pair, number, len(folder.name)])
            written.append(path)
    return written


def write_class(folder: Path, sets: dict[str, tuple[str, ...]] | None = None) -> None:
    """Write the photos of students in the subsets `train`, `test_m` and `test_w`."""
    for name, students in (sets or CLASS).items():
        for student in students:
            write_student(folder / name, student, "w" if name == "test_w" else "m")


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Wait until a condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs exactly once in a file."""
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new))


def copy_project(folder: Path) -> Path:
    """Copy the project's tracked files to `folder`, with small parameters and a tiny class."""
    for name in ("shoepair", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("metrics/crossval", "data/crossval"):
        (folder / name).mkdir(parents=True)
    for name in (
        "params.yaml",
        "pyproject.toml",
        "dvc.yaml",
        ".gitignore",
        ".dvcignore",
        "metrics/crossval/README.md",
        "data/crossval/README.md",
    ):
        shutil.copyfile(ROOT / name, folder / name)
    edit(folder / "params.yaml", "edge: 224 ", f"edge: {EDGE} ")
    edit(folder / "params.yaml", "edge: 56 ", f"edge: {EDGE // 2} ")
    # Two models only: every further stage costs every test seconds.
    edit(folder / "params.yaml", "models: [histogram, cnn, cnn_channel, siamese]", "models: [cnn, cnn_channel]")
    edit(folder / "params.yaml", "models: [efficientnet_frozen, efficientnet_finetuned]", "models: []")
    plots = (folder / "dvc.yaml").read_text().splitlines(keepends=True)
    (folder / "dvc.yaml").write_text("".join(line for line in plots if not UNTRAINED.match(line)))
    edit(folder / "params.yaml", "epochs: 80 ", "epochs: 2 ")
    edit(folder / "params.yaml", "  students: 300 ", "  students: 2 ")
    edit(folder / "params.yaml", "batch_size: 12 ", "batch_size: 32 ")
    edit(folder / "params.yaml", "\nn: 8 ", "\nn: 4 ")
    edit(folder / "params.yaml", "lr: 4.0e-3 ", "lr: 1.0e-3 ")
    edit(folder / "params.yaml", "resamples: 1000 ", "resamples: 100 ")
    write_class(folder / "data/raw/tiny")
    (folder / "data/batches.yaml").write_text("# the order of arrival\nbatches:\n  - tiny\nsynthetic_classes: {}\n")
    return folder
