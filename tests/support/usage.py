"""Helpers for the tests of serving: an untrained project that predicts, and a running server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from shoepair.commands.serving import predictor
from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT, PairPredictor
from shoepair.evaluation.thresholds import DecisionRule
from shoepair.ingestion.config import ValidateConfig
from shoepair.models import registry
from shoepair.runtime import json_files, params, paths
from support.field import EDGE, copy_project, edit


class FakeDetector:
    """A shoe detector that finds what it is told to find in some pixels, and notes down the maps that it gets.

    Args:
        find: keys of issues of pixels.
        shared: digest and edge of the models whose maps it takes.
    """

    def __init__(self, find: Callable[[np.ndarray], tuple[str, ...]], shared: tuple[str, int] | None = None) -> None:
        self.find, self.shared = find, shared
        self.starts: list[Tensor | None] = []

    def shares_start(self, sha256: str, edge: int) -> bool:
        """Whether a model with these weights has the maps."""
        return (sha256, edge) == self.shared

    def find_issues(self, pixels: np.ndarray, start: Tensor | None = None) -> tuple[str, ...]:
        """Return what `find` does."""
        self.starts.append(start)
        return self.find(pixels)


STUDENT = "u001"
PHOTOS = Path("data/raw/tiny/train")
Pair = tuple[Path, Path]


def photo(pair: int, side: str, student: str = STUDENT) -> Path:
    """Return the path of a photo of the tiny class."""
    return PHOTOS / f"{student}_{pair}_{side}_m.jpg"


def decide(**changes: Any) -> None:
    """Write a decision rule."""
    json_files.write_json(paths.THRESHOLDS, rule(**changes).model_dump())


def rule(**changes: Any) -> DecisionRule:
    """Return an invented decision rule."""
    fields = {"format": 2, "model": "cnn_channel", "temperature": 1.0, "same_above": 0.8, "different_below": 0.2}
    learning = {"photographed": 60, "drawn": 0, "tested": 33, "right": 0.91, "low": 0.84, "high": 0.96}
    fitted = {"scores": "out-of-fold", "students": 80, "missing_students": 0, "learning": learning}
    sure = {"sure_same_above": 0.8, "sure_different_below": 0.2}
    # As sure as probable, if the test says nothing else.
    changes = {
        f"sure_{name}": changes[name] for name in ("same_above", "different_below") if name in changes
    } | changes
    default = DecisionRule.model_validate(fields | fitted | sure | {"says": "", "sets": {}})
    return default.model_copy(update=changes)


def furnish(folder: Path) -> dict[str, Pair]:
    """Make the current directory, `folder`, an untrained project that predicts.

    Returns:
        For each verdict two photos that get it.
    """
    copy_project(folder)
    for line in ("dark: 0.32", "low_contrast: 0.25"):  # noise is dark and low in contrast
        edit(paths.PARAMS, line, f"{line.split(':')[0]}: 0.0")
    for line in ("blurred: 0.55", "overexposed: 0.70"):
        edit(paths.PARAMS, line, f"{line.split(':')[0]}: 1.0")
    model = registry.build_model("cnn_channel", registry.ModelConfig(edge=EDGE), seed=1)
    registry.save_model("cnn_channel", model, {})
    decide()
    pair_predictor = predictor.load_predictor()
    pairs = [(photo(left, "left"), photo(right, "right")) for left, right in product((1, 2, 3), repeat=2)]
    prepare, predict = pair_predictor.prepare_photo, pair_predictor.predict
    scored = sorted((predict(*map(prepare, pair)).score, pair) for pair in pairs)
    low, middle, high = scored[0], scored[len(scored) // 2], scored[-1]
    decide(different_below=(low[0] + middle[0]) / 2, same_above=(middle[0] + high[0]) / 2)
    return {DIFFERENT_VERDICT: low[1], NOT_SURE_VERDICT: middle[1], SAME_VERDICT: high[1]}


def judge_of(rule: DecisionRule) -> PairPredictor:
    """Return a predictor of the current project with another decision rule."""
    model = registry.load_model("cnn_channel").eval()
    return PairPredictor(rule, model, EDGE, params.load(ValidateConfig))


@dataclass(frozen=True)
class Served:
    """A running server.

    Args:
        url: its address.
        pairs: for each verdict two photos that get it.
        folder: its project.
        process: of the server.
    """

    url: str
    pairs: dict[str, Pair]
    folder: Path
    process: subprocess.Popen[str]

    def paths(self, verdict: str) -> tuple[str, str]:
        """Return the paths of two photos that get this verdict."""
        left, right = (str(self.folder / path) for path in self.pairs[verdict])
        return left, right


SCRIPT = """
import json, os, sys
from shoepair.commands.serving import web
written = []
def note(event, arguments):
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        written.append(str(arguments[0]))
sys.addaudithook(note)
def listening(line):
    written.clear()
    print(line, flush=True)
web.serve("127.0.0.1", 0, int(sys.argv[1]), listening, float(sys.argv[2]))
print(json.dumps(written))
"""


@contextmanager
def serving(
    folder: Path, max_requests: int = 8, seconds: float = 30, *, quiet: bool = True, log: Path | None = None
) -> Iterator[Served]:
    """Yield a server on a free port, ended by Ctrl-C; check that it printed no error and opened no file for writing.

    Args:
        folder: becomes its project.
        max_requests: see `web.serve`.
        seconds: see `web.serve`.
        quiet: whether to check these.
        log: gets what it prints as errors, which are not checked then.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pairs = furnish(folder)
        words = [sys.executable, "-c", SCRIPT, str(max_requests), str(seconds)]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        pipe = subprocess.PIPE
        with log.open("w") if log else contextlib.nullcontext(pipe) as errors:
            process = subprocess.Popen(
                words, stdout=pipe, stderr=errors, text=True, env=environment, cwd=folder, start_new_session=True
            )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening at http://127.0.0.1:"), process.communicate()
        yield Served(line.split()[2], pairs, folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    if quiet:
        assert not err, err[-3000:]
        assert process.returncode == 0
        assert [name for name in json.loads(out) if not name.isdigit()] == [], "numbers are pipes to the workers"
