"""What DVC's users do with a pipeline: experiments, comparisons, older commits; by the real commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Run, edit, outputs, ran

pytestmark = pytest.mark.slow


def test_experiments_and_comparisons(repository: Path, run: Run) -> None:
    run("dvc", "repro", "-q")
    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Train")
    first = outputs(repository)
    again = {"train@cnn", "train@cnn_channel", "evaluate"}
    assert ran(run("dvc", "exp", "run", "-n", "slow", "-S", "lr=0.0005").stdout) == again
    assert "lr: 0.0005" in (repository / "params.yaml").read_text().replace("5.0e-4", "0.0005")
    assert "0.0005" in run("dvc", "params", "diff").stdout
    assert "lr" in run("dvc", "exp", "diff").stdout
    run("git", "commit", "-q", "-a", "-m", "Train slower")
    assert "best.valid" in run("dvc", "metrics", "diff", "--all", "HEAD~1").stdout

    run("git", "checkout", "-q", "HEAD~1")
    run("dvc", "checkout", "-q")
    assert outputs(repository) == first
    assert ran(run("dvc", "repro").stdout) == set(), "the older commit did not come back from the cache"

    edit(repository / "shoepair/training.py", "DIGITS = 6 ", "DIGITS = 3 ")
    run("dvc", "exp", "run", "-q", "-n", "queued", "-S", "n=2", "--queue")
    run("git", "checkout", "-q", "shoepair/training.py")
    run("dvc", "exp", "run", "-q", "--run-all")
    assert "queued" in run("dvc", "exp", "show", "--md").stdout
    assert outputs(repository) == first, "a queued experiment wrote into the workspace"
    run("dvc", "exp", "apply", "-q", "queued")
    losses = (repository / "plots/loss/cnn.csv").read_text().split()[1:]
    assert max(len(line.split(",")[1]) for line in losses) <= len("0.123"), "it ran the code of another workspace"
