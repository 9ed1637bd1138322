"""What DVC's users do with a pipeline: experiments, comparisons, older commits; by the real commands."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.commands import Run, ran
from support.field import edit, outputs


def test_experiments_and_comparisons(trained: Path, run: Run) -> None:
    first = outputs(trained)
    again = {"train@cnn", "train@cnn_channel", "evaluate", "report"}
    assert ran(run("dvc", "exp", "run", "-n", "slow", "-S", "lr=0.0005").stdout) == again
    assert "lr: 0.0005" in (trained / "params.yaml").read_text().replace("5.0e-4", "0.0005")
    assert "0.0005" in run("dvc", "params", "diff").stdout
    assert "lr" in run("dvc", "exp", "diff").stdout
    run("git", "commit", "-q", "-a", "-m", "Train slower")
    assert "best.valid" in run("dvc", "metrics", "diff", "--all", "HEAD~1").stdout

    run("git", "checkout", "-q", "HEAD~1")
    run("dvc", "checkout", "-q")
    assert outputs(trained) == first
    assert ran(run("dvc", "repro").stdout) == set(), "the older commit did not come back from the cache"

    edit(trained / "shoepair/training/history.py", "DECIMALS = 6 ", "DECIMALS = 3 ")
    run("dvc", "exp", "run", "-q", "-n", "queued", "-S", "n=2", "--queue")
    run("git", "checkout", "-q", "shoepair/training/history.py")
    run("dvc", "exp", "run", "-q", "--run-all")
    assert "queued" in run("dvc", "exp", "show", "--md").stdout
    assert outputs(trained) == first, "a queued experiment wrote into the workspace"
    run("dvc", "exp", "apply", "-q", "queued")
    losses = (trained / "plots/loss/cnn.csv").read_text().split()[1:]
    assert max(len(line.split(",")[1]) for line in losses) <= len("0.123"), "it ran the code of another workspace"


def test_grid_of_values_in_one_word_is_queued_and_worked_by_a_worker(trained: Path, run: Run) -> None:
    first = outputs(trained)
    queued = run("dvc", "exp", "run", "-S", "n=1,2", "-S", "epochs=1", "--queue").stdout
    assert queued.count("Queued experiment") == 2
    run("dvc", "queue", "start", "-q", "-j", "1")
    for _ in range(300):
        status = run("dvc", "queue", "status").stdout
        if "Queued" not in status and "Running" not in status:
            break
        time.sleep(1)
    assert status.count("Success") == 2, status
    shown = json.loads(run("dvc", "exp", "show", "--json").stdout)
    values = {
        (each["data"]["params"]["params.yaml"]["data"]["n"], each["data"]["params"]["params.yaml"]["data"]["epochs"])
        for base in shown
        for group in base["experiments"] or []
        for each in group["revs"]
    }
    assert values == {(1, 1), (2, 1)}
    assert outputs(trained) == first, "a worker wrote into the workspace"


def test_plots_draw_roc_and_confusion(trained: Path, run: Run) -> None:
    shown = json.loads(run("dvc", "plots", "show", "--json").stdout)
    assert not shown.get("errors")
    curve, confusion = (
        shown["data"][f"{name}, test students"][0]["content"] for name in ("ROC", "confusion of the best model")
    )
    assert {row["filename"] for row in curve["data"]["values"]} == {"cnn.csv", "cnn_channel.csv"}
    points = len((trained / "plots/roc/cnn.csv").read_text().split()) - 1
    assert sum(row["filename"] == "cnn.csv" for row in curve["data"]["values"]) == points
    assert curve["mark"]["type"] == "line"
    assert "transform" not in curve, "the curve would be smoothed"
    assert [(row["actual"], row["predicted"]) for row in confusion["data"]["values"]] == [
        tuple(line.split(",")) for line in (trained / "plots/confusion.csv").read_text().split()[1:]
    ]
