"""`shoepair`: the commands for people. The pipeline itself runs by `dvc repro` and needs none of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from shoepair.commands.analyze import app as analyze
from shoepair.commands.collection import overview
from shoepair.commands.collection.add import add as add_batch
from shoepair.commands.collection.purge import purge as purge_everything
from shoepair.commands.collection.remove import forget as forget_student
from shoepair.commands.collection.remove import remove as remove_batch
from shoepair.commands.doctor import doctor as check_configuration
from shoepair.commands.doctor import repair
from shoepair.commands.history.verify import verify as verify_records
from shoepair.commands.serving import cli as usage
from shoepair.data import documents, schemas, tables
from shoepair.ingestion import rules
from shoepair.reports import terminal
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import ShoepairError, refused

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Markdown = Annotated[bool, typer.Option("--md", help="For a pull request.")]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(analyze, name="analyze")
app.add_typer(usage.export, name="export")
app.command()(usage.check)
app.command()(usage.serve)


@app.callback()
def _about() -> None:
    """From raw class photos of shoes to compared models. Start with `make repro`."""


@app.command()
def add(
    source: Annotated[Path, typer.Argument(help="Class photos, a folder, zip or tar: train/, test_m/, test_w/.")],
    name: Annotated[str, typer.Option(help="Of the batch: small letters, digits, '-', '_'.")],
    *,
    alone: Annotated[bool, typer.Option("--alone", help="Take all other batches from the list.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the photos, change nothing.")] = False,
) -> None:
    """Check class photos and make them a batch of the pipeline."""
    verdict, shifts = add_batch(source, name, alone=alone, dry_run=dry_run)
    counts = verdict.counts()
    found = f"{counts['students']} students, {counts['accepted']} photos, {counts['ignored']} system files ignored"
    for line in [*terminal.quarantine_lines(verdict.report(name)), *terminal.drift_lines(shifts)]:
        typer.echo(line)
    if dry_run:
        typer.echo(f"{found}: in order, could be batch {name!r}; nothing was changed")
        return
    typer.echo(f"{found}: now batch {name!r}")
    typer.echo("next: `dvc repro`, then `git add data dvc.lock metrics` and commit")


@app.command()
def batches() -> None:
    """List the batches: students, photos, men's and women's shoes, quarantined students, bytes."""
    typer.echo(terminal.batch_table(overview.overview()))


@app.command()
def validate(*, as_json: Json = False, markdown: Markdown = False) -> None:
    """Hold all batches against the rules at once, and tell every fault; nothing is changed."""
    reports = [verdict.report(batch) for batch, verdict in overview.judged().items()]
    total = rules.totals({each["batch"]: each for each in reports})["total"]
    text = terminal.validation_text(reports, total, md=markdown)
    typer.echo(json.dumps(reports, indent=2) if as_json else text)
    if any(each["reasons"] for each in reports):
        raise typer.Exit(1)


@app.command()
def suspects(
    *, top: Annotated[int, typer.Option(min=1, help="How many students.")] = 10, as_json: Json = False
) -> None:
    """List the students whose photos may be mislabelled, the most suspicious first; look at them yourself."""
    rows = tables.read(paths.SUSPECTS, schemas.Suspects).head(top).to_dict("records")
    text = terminal.suspect_table(rows)
    typer.echo(json.dumps(rows, indent=2) if as_json else text)


@app.command()
def remove(batch: Annotated[str, typer.Argument(help="A listed batch.")]) -> None:
    """Take a batch out of the pipeline; an older commit still brings it back."""
    files = remove_batch(batch)
    typer.echo(f"batch {batch!r}: {files} files are no longer part of the class")
    typer.echo("next: `dvc repro`, then `git add --all data dvc.lock metrics` and commit")


@app.command()
def forget(
    student: Annotated[str, typer.Argument(help="Number of the student, like u052.")] = "",
    batch: Annotated[str, typer.Option(help="The batch that the student is in.")] = "",
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete withdrawn students from DVC's cache too.")] = False,
) -> None:
    """Withdraw a student: first the photos, then, after `dvc repro`, everything else by --purge."""
    if bool(student) != bool(batch) or bool(student) == purge:
        found = "forget: expected `shoepair forget STUDENT --batch BATCH`, or `shoepair forget --purge`"
        raise ShoepairError(found, fix="first withdraw the student, then `dvc repro`, then purge")
    if purge:
        typer.echo("\n".join(terminal.purge_lines(purge_everything())))
        return
    gone = forget_student(student, batch)
    typer.echo(f"{student}: {len(gone)} photos left batch {batch!r}")
    typer.echo("next: `dvc repro`, `git add data dvc.lock metrics` and commit, then `shoepair forget --purge`")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A commit, branch or tag.")],
    after: Annotated[str, typer.Argument(help="Another; without it, the workspace.")] = "workspace",
    *,
    as_json: Json = False,
    markdown: Markdown = False,
) -> None:
    """Compare two dataset versions: batches, students, photos, splits, and the accuracies with their noise."""
    from shoepair.commands.history import versions  # here, since it loads pandera and scipy: no other is to wait

    changes = versions.compare(before, after)
    typer.echo(json.dumps(changes, indent=2) if as_json else terminal.diff_text(changes, md=markdown))


@app.command()
def log(*, as_json: Json = False, markdown: Markdown = False) -> None:
    """List the dataset versions along the git history."""
    from shoepair.commands.history import versions  # as above

    entries = versions.log()
    typer.echo(json.dumps(entries, indent=2) if as_json else terminal.log_text(entries, md=markdown))


@app.command()
def verify() -> None:
    """Hold everything that DVC recorded against the disk and the cache, byte by byte."""
    done = verify_records()
    counts = f"{done.files} recorded files and {done.cached} cached files read"
    if done.problems:
        count = f"{len(done.problems)} problem{'s' if len(done.problems) > 1 else ''}"
        found = f"verify: {count}; {counts}"
        raise ShoepairError(found, problems=done.problems, fix="put them right, then run `shoepair verify` again")
    typer.echo(f"{counts}: all as recorded")


@app.command()
def doctor() -> None:
    """Put right what killed commands left; check params.yaml and data/batches.yaml before the pipeline runs."""
    typer.echo("\n".join([*repair(), *check_configuration()]))


@app.command()
def crossval(
    models: Annotated[list[str] | None, typer.Argument(help="Names; without any, all of params.yaml.")] = None,
    *,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the students, each left out once.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Times that the students are dealt anew.")] = 1,
    instead: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="A parameter to try, like lr=5.0e-4; a search: lr=5.0e-4,1.0e-3."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cross-validate models over the students of train and valid; goes on where it was stopped."""
    from shoepair.commands import grid_search  # here, since it loads torch, and no other command should wait for that

    found = grid_search.run(
        models or [], folds, repeats, instead or [], report=lambda line: progress.say(line, sys.stderr)
    )
    typer.echo(json.dumps(found, indent=2) if as_json else terminal.fold_table(found))


@app.command()
def metrics() -> None:
    """Print the accuracies of every model, the best one first, and how they compare."""
    fix = "run `dvc repro`, which measures them"
    details = documents.read_json(paths.EVALUATION_DETAILS, fix)
    if "models" not in details:
        found = f"{paths.EVALUATION_DETAILS}: of an older version of this project"
        raise ShoepairError(found, fix=fix)
    typer.echo(terminal.text(details))


def main() -> None:
    """Run a command; print a user's mistake and exit 1."""
    try:
        app()
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {refused(error)}")


if __name__ == "__main__":
    main()
