"""`shoepair`: the commands for people. The pipeline itself runs by `dvc repro` and needs none of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from shoepair import arrival, paths, report
from shoepair.analysis.cli import app as analyze
from shoepair.errors import ShoepairError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(analyze, name="analyze")


@app.callback()
def _about() -> None:
    """From raw class photos of shoes to compared models. Start with `make repro`."""


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="Class photos: train/, test_m/, test_w/ with six per student.")],
    name: Annotated[str, typer.Option(help="Of the batch: small letters, digits, '-', '_'.")],
    *,
    alone: Annotated[bool, typer.Option("--alone", help="Take all other batches from the list.")] = False,
) -> None:
    """Check a folder of class photos and make it a batch of the pipeline."""
    counts = arrival.add(folder, name, alone=alone)
    typer.echo(f"{counts['students']} students, {counts['accepted']} photos are now batch {name!r}")
    typer.echo("next: `dvc repro`, then `git add data` and commit")


@app.command()
def doctor() -> None:
    """Check params.yaml and data/batches.yaml before the pipeline runs."""
    for line in arrival.doctor():
        typer.echo(line)


@app.command()
def metrics() -> None:
    """Print the accuracies of every model, the best one first."""
    fix = "run `dvc repro`, which measures them"
    details = paths.read_json(paths.EVALUATION_DETAILS, fix)
    best = paths.read_json(paths.EVALUATION_METRICS, fix)["best"]["model"]
    typer.echo(report.accuracy_table(details, best))


def main() -> None:
    """Run a command; print a user's mistake and exit 1."""
    try:
        app()
    except ShoepairError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
