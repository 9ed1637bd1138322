"""What the tests of serving share: a project that answers, though never trained; a running server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from shoepair.commands.serving import predictor
from shoepair.commands.serving.predictor import DIFFERENT, NOT_SURE, SAME, Judge
from shoepair.data import documents
from shoepair.evaluation.thresholds import Decision
from shoepair.ingestion.config import Validate
from shoepair.models import registry
from shoepair.runtime import params, paths
from support.field import EDGE, copy_project, edit

STUDENT = "u001"
PHOTOS = Path("data/raw/tiny/train")
Pair = tuple[Path, Path]


def photo(pair: int, side: str, student: str = STUDENT) -> Path:
    """A photo of the tiny class."""
    return PHOTOS / f"{student}_{pair}_{side}_m.jpg"


def decide(**changes: Any) -> None:
    """Write a decision."""
    documents.write_json(paths.DECISION, rule(**changes).model_dump())


def rule(**changes: Any) -> Decision:
    """A decision that nobody made."""
    given = {"format": 1, "model": "cnn_channel", "temperature": 1.0, "same_above": 0.8, "different_below": 0.2}
    usual = Decision.model_validate(given | {"says": "", "sets": {}})
    return usual.model_copy(update=changes)


def furnish(folder: Path) -> dict[str, Pair]:
    """Make the current directory, `folder`, a project that answers.

    Returns:
        For every verdict two photos that get it.
    """
    copy_project(folder)
    for line in ("dark: 0.32", "low_contrast: 0.25"):  # noise has little light and contrast
        edit(paths.PARAMS, line, f"{line.split(':')[0]}: 0.0")
    for line in ("blurred: 0.55", "overexposed: 0.70"):
        edit(paths.PARAMS, line, f"{line.split(':')[0]}: 1.0")
    registry.save("cnn_channel", registry.build("cnn_channel", registry.ModelConfig(edge=EDGE), seed=1), {})
    decide()
    judge = predictor.appoint()
    pairs = [(photo(left, "left"), photo(right, "right")) for left, right in product((1, 2, 3), repeat=2)]
    scored = sorted((judge.judge(*map(judge.prepare, pair)).score, pair) for pair in pairs)
    low, middle, high = scored[0], scored[len(scored) // 2], scored[-1]
    decide(different_below=(low[0] + middle[0]) / 2, same_above=(middle[0] + high[0]) / 2)
    return {DIFFERENT: low[1], NOT_SURE: middle[1], SAME: high[1]}


def judge_of(rule: Decision) -> Judge:
    """A judge of the current project, by another rule."""
    model = registry.load("cnn_channel").eval()
    return Judge(rule, model, EDGE, params.load(Validate))


@dataclass(frozen=True)
class Served:
    """A running server.

    Args:
        url: its one address.
        pairs: what `furnish` returned.
        folder: its project.
        process: it itself.
    """

    url: str
    pairs: dict[str, Pair]
    folder: Path
    process: subprocess.Popen[str]

    def paths(self, verdict: str) -> tuple[str, str]:
        """Two photos that get this verdict."""
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
def serving(folder: Path, at_once: int = 8, seconds: float = 30, *, quiet: bool = True) -> Iterator[Served]:
    """A server on a free port, ended by Ctrl-C; checks that it said nothing, and opened no file to write to.

    Args:
        folder: becomes its project.
        at_once: see `web.serve`.
        seconds: likewise.
        quiet: whether nothing must be said.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pairs = furnish(folder)
        words = [sys.executable, "-c", SCRIPT, str(at_once), str(seconds)]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=folder)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening at http://127.0.0.1:"), process.communicate()
        yield Served(line.split()[2], pairs, folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    if quiet:
        assert err == "", err[-3000:]
        assert process.returncode == 0
        assert [name for name in json.loads(out) if not name.isdigit()] == [], "numbers are pipes to the workers"
