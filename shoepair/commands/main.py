"""Command line `shoepair`. The pipeline itself runs by `dvc repro` and needs no command of this module."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from shoepair.commands.analyze import app as analyze
from shoepair.commands.collection import overview
from shoepair.commands.collection.add import add_batch
from shoepair.commands.collection.purge import purge_withdrawn_students
from shoepair.commands.collection.remove import remove_batch, withdraw_student
from shoepair.commands.doctor import check_configuration, repair_project
from shoepair.commands.history.verify import verify_file_digests
from shoepair.commands.serving import cli as serving_cli
from shoepair.data import json_files, parquet_files, schemas
from shoepair.ingestion import validation
from shoepair.reports import terminal_tables
from shoepair.runtime import paths, progress
from shoepair.runtime.errors import ShoepairError, from_os_error

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MarkdownOption = Annotated[bool, typer.Option("--md", help="Print Markdown.")]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(analyze, name="analyze")
app.add_typer(serving_cli.export_app, name="export")
app.command()(serving_cli.check)
app.command()(serving_cli.serve)


@app.callback()
def _callback() -> None:
    """Turn class photos of shoes into compared models. Start with `make repro`."""


@app.command()
def add(
    source: Annotated[Path, typer.Argument(help="Folder, zip or tar of class photos: train/, test_m/, test_w/.")],
    name: Annotated[str, typer.Option(help="Batch name: lower-case letters, digits, '-', '_'.")],
    *,
    replace_others: Annotated[bool, typer.Option("--alone", help="Remove all other batches from the list.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the photos, change nothing.")] = False,
) -> None:
    """Check class photos and add them as a batch of the pipeline."""
    result, shifts = add_batch(source, name, replace_others=replace_others, dry_run=dry_run)
    counts = result.count_files()
    summary = f"{counts['students']} students, {counts['accepted']} photos, {counts['ignored']} system files ignored"
    details = terminal_tables.list_validation_detail_lines(result.build_report(name))
    for line in [*details, *terminal_tables.list_drift_lines(shifts)]:
        typer.echo(line)
    if dry_run:
        typer.echo(f"{summary}: valid, can be added as batch {name!r}; nothing was changed")
        return
    typer.echo(f"{summary}: added as batch {name!r}")
    typer.echo("next: `dvc repro`, then `git add data dvc.lock metrics` and commit")


@app.command()
def batches() -> None:
    """Print a table of the batches: students, photos, men's and women's shoes, quarantined students, bytes."""
    typer.echo(terminal_tables.batch_text(overview.batch_overview_rows()))


@app.command()
def validate(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Check all batches against the rules and print every error; nothing is changed."""
    reports = [result.build_report(batch) for batch, result in overview.validation_result_by_batch().items()]
    total = validation.counts_by_batch_and_total({report["batch"]: report for report in reports})["total"]
    text = terminal_tables.validation_text(reports, total, as_markdown=markdown)
    typer.echo(json.dumps(reports, indent=2) if as_json else text)
    if any(report["reasons"] for report in reports):
        raise typer.Exit(1)


@app.command()
def suspects(
    *, top: Annotated[int, typer.Option(min=1, help="Number of students.")] = 10, as_json: JsonOption = False
) -> None:
    """Print the students whose photos probably have label issues, the most probable first; check them yourself."""
    rows = parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues).head(top).to_dict("records")
    text = terminal_tables.suspect_text(rows)
    typer.echo(json.dumps(rows, indent=2) if as_json else text)


@app.command()
def remove(batch: Annotated[str, typer.Argument(help="A listed batch.")]) -> None:
    """Remove a batch from the pipeline; an older commit still restores it."""
    files = remove_batch(batch)
    typer.echo(f"batch {batch!r}: {files} files removed")
    typer.echo("next: `dvc repro`, then `git add --all data dvc.lock metrics` and commit")


@app.command()
def forget(
    student: Annotated[str, typer.Argument(help="Id of the student, like u052.")] = "",
    batch: Annotated[str, typer.Option(help="Batch of the student.")] = "",
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete withdrawn students from DVC's cache.")] = False,
) -> None:
    """Withdraw a student: first delete the photos, then, after `dvc repro`, all cached data by --purge."""
    if bool(student) != bool(batch) or bool(student) == purge:
        message = "forget: expected `shoepair forget STUDENT --batch BATCH`, or `shoepair forget --purge`"
        raise ShoepairError(message, fix="first withdraw the student, then `dvc repro`, then purge")
    if purge:
        typer.echo("\n".join(terminal_tables.list_purge_lines(purge_withdrawn_students())))
        return
    deleted = withdraw_student(student, batch)
    typer.echo(f"{student}: {len(deleted)} photos deleted from batch {batch!r}")
    typer.echo("next: `dvc repro`, `git add data dvc.lock metrics` and commit, then `shoepair forget --purge`")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A commit, branch or tag.")],
    after: Annotated[str, typer.Argument(help="Another one; default: the workspace.")] = "workspace",
    *,
    as_json: JsonOption = False,
    markdown: MarkdownOption = False,
) -> None:
    """Compare two dataset versions: batches, students, photos, splits, and accuracies with their intervals."""
    from shoepair.commands.history import versions  # imported late: it loads pandera and scipy

    changes = versions.compare_revisions(before, after)
    text = terminal_tables.dataset_diff_text(changes, as_markdown=markdown)
    typer.echo(json.dumps(changes, indent=2) if as_json else text)


@app.command()
def log(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print the dataset versions along the git history."""
    from shoepair.commands.history import versions  # imported late, as above

    entries = versions.list_version_records()
    text = terminal_tables.dataset_log_text(entries, as_markdown=markdown)
    typer.echo(json.dumps(entries, indent=2) if as_json else text)


@app.command()
def verify() -> None:
    """Compare every file that DVC recorded, and every cached file, with its digest."""
    result = verify_file_digests()
    counts = f"{result.checked_files} recorded files and {result.checked_cache_files} cached files read"
    if result.problems:
        count = f"{len(result.problems)} problem{'s' if len(result.problems) > 1 else ''}"
        message = f"verify: {count}; {counts}"
        raise ShoepairError(message, problems=result.problems, fix="fix them, then run `shoepair verify` again")
    typer.echo(f"{counts}: all match the records")


@app.command()
def doctor() -> None:
    """Repair what killed commands left behind; check params.yaml and data/batches.yaml."""
    typer.echo("\n".join([*repair_project(), *check_configuration()]))


@app.command()
def crossval(
    models: Annotated[list[str] | None, typer.Argument(help="Model names; default: those of params.yaml.")] = None,
    *,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds, each left out once.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Number of random partitions into folds.")] = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="Parameter to try, like lr=5.0e-4; a grid: lr=5.0e-4,1.0e-3."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cross-validate models on the students of train and valid; resumes an interrupted run."""
    from shoepair.commands import grid_search  # imported late: it loads torch

    results = grid_search.cross_validate_grid(
        models or [],
        folds,
        repeats,
        overrides or [],
        print_line=lambda line: progress.print_above_bar(line, sys.stderr),
    )
    typer.echo(json.dumps(results, indent=2) if as_json else terminal_tables.cv_text(results))


@app.command()
def metrics() -> None:
    """Print the metrics of every model, the best one first, and the differences between models."""
    fix = "run `dvc repro`, which computes them"
    details = json_files.read_json(paths.EVALUATION_DETAILS, fix)
    if "models" not in details:
        message = f"{paths.EVALUATION_DETAILS}: written by an older version of this project"
        raise ShoepairError(message, fix=fix)
    typer.echo(terminal_tables.evaluation_text(details))


def main() -> None:
    """Run the command line; print a user-facing error and exit with status 1."""
    try:
        app()
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {from_os_error(error)}")


if __name__ == "__main__":
    main()
