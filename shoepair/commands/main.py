"""Command line `shoepair`. The pipeline itself runs by `dvc repro` and needs no command of this module.

A command imports what it runs when it runs: together they load DVC, pandas and torch, for which no other command
should wait, nor `--help`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from shoepair.commands.analyze import app as analyze
from shoepair.commands.serving import cli as serving_cli
from shoepair.reports import terminal_tables
from shoepair.runtime import interruption, json_files, paths, progress, project_lock, termination
from shoepair.runtime.batch_names import derive_batch_name
from shoepair.runtime.errors import ShoepairError, from_os_error
from shoepair.runtime.project_root import in_project

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NameOption = Annotated[
    str, typer.Option(help="Batch name: lower-case letters, digits, '-', '_'; default: made of the source's name.")
]
MarkdownOption = Annotated[bool, typer.Option("--md", help="Print Markdown.")]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(analyze, name="analyze")
app.add_typer(serving_cli.export_app, name="export")
app.command()(in_project(serving_cli.check))
app.command()(in_project(serving_cli.serve))


@app.callback()
def _callback() -> None:
    """Turn class photos of shoes into compared models. Start with `make repro`, or `python -m shoepair repro`."""


@app.command()
@in_project
def add(
    source: Annotated[Path, typer.Argument(help="Folder, zip or tar of class photos: train/, test_m/, test_w/.")],
    *,
    name: NameOption = "",
    replace_others: Annotated[bool, typer.Option("--alone", help="Remove all other batches from the list.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the photos, change nothing.")] = False,
) -> None:
    """Check class photos and add them as a batch of the pipeline."""
    _add(source, name or derive_batch_name(source), replace_others=replace_others, dry_run=dry_run)


def _add(source: Path, name: str, *, replace_others: bool, dry_run: bool = False) -> None:
    from shoepair.commands.collection.add import add_batch

    hold = project_lock.hold_shared if dry_run else project_lock.hold_alone
    with hold("`shoepair add`"):
        result, shifts = add_batch(source, name, replace_others=replace_others, dry_run=dry_run)
    counts = result.count_files()
    summary = f"{counts['students']} students, {counts['accepted']} photos, {counts['ignored']} other files ignored"
    details = terminal_tables.list_validation_detail_lines(result.build_report(name))
    details.append(terminal_tables.subsets_line(result.accepted))
    details += terminal_tables.ignored_lines(list(result.manifest.loc[result.manifest["ignored"], "path"]))
    for line in [*details, *terminal_tables.list_drift_lines(shifts)]:
        typer.echo(line)
    if dry_run:
        typer.echo(f"{summary}: valid, can be added as batch {name!r}; nothing was changed")
        return
    typer.echo(f"{summary}: now batch {name!r}")
    typer.echo("next: `dvc repro`, then `git add data dvc.lock metrics` and commit")


@app.command()
@in_project
def repro(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Stages to run, with all that they need; default: all.")
    ] = None,
    *,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Cores for the stages that run at a time; default: all cores.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", help="Folder, zip or tar of class photos: the only batch from now on.")
    ] = None,
    name: NameOption = "",
) -> None:
    """Run the pipeline, stages side by side, and print the accuracies, like `make repro`: doctor, stages, metrics."""
    from shoepair.commands.repro import run_pipeline

    if photos:
        _add(photos, name or derive_batch_name(photos), replace_others=True)
    _doctor()
    with termination.clean_up_when_terminated("stopped; `shoepair repro` goes on from here"):
        run_pipeline(targets or [], jobs)
    if not targets:
        _metrics()


@app.command()
@in_project
def batches() -> None:
    """Print a table of the batches: students, photos, men's and women's shoes, quarantined students, bytes."""
    from shoepair.commands.collection import overview

    typer.echo(terminal_tables.batch_text(overview.batch_overview_rows()))


@app.command()
@in_project
def validate(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Check all batches against the rules and print every error; nothing is changed."""
    from shoepair.commands.collection import overview
    from shoepair.ingestion import validation_counts

    reports = [result.build_report(batch) for batch, result in overview.validation_result_by_batch().items()]
    total = validation_counts.counts_by_batch_and_total({report["batch"]: report for report in reports})["total"]
    text = terminal_tables.validation_text(reports, total, as_markdown=markdown)
    typer.echo(json_files.format_json(reports) if as_json else text)
    if any(report["reasons"] for report in reports):
        raise typer.Exit(1)


@app.command()
@in_project
def suspects(
    *, top: Annotated[int, typer.Option(min=1, help="Number of students.")] = 10, as_json: JsonOption = False
) -> None:
    """Print the students whose photos probably have label issues, the most probable first; check them yourself."""
    from shoepair.data import parquet_files, schemas

    rows = parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues).head(top).to_dict("records")
    text = terminal_tables.suspect_text(rows)
    typer.echo(json_files.format_json(rows) if as_json else text)


@app.command()
@in_project
def remove(batch: Annotated[str, typer.Argument(help="A listed batch.")]) -> None:
    """Remove a batch from the pipeline; the last commit, which must have it, still restores it."""
    from shoepair.commands.collection.remove import remove_batch

    with project_lock.hold_alone("`shoepair remove`"):
        files = remove_batch(batch)
    typer.echo(f"batch {batch!r}: {files} files removed")
    typer.echo("next: `dvc repro`, then `git add --all data dvc.lock metrics` and commit")


@app.command()
@in_project
def forget(
    student: Annotated[str, typer.Argument(help="Id of the student, like u052.")] = "",
    batch: Annotated[str, typer.Option(help="Batch of the student.")] = "",
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete withdrawn students from all caches.")] = False,
    remotes: Annotated[
        list[str] | None, typer.Option("--remote", help="With --purge: delete them from this DVC remote too.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --purge: list it, delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --purge: do not ask before shared files go.")] = False,
) -> None:
    """Withdraw a student: first delete the photos, then, after `dvc repro`, every other copy by --purge."""
    has_purge_options = bool(remotes) or dry_run or yes
    if bool(student) != bool(batch) or bool(student) == purge or (has_purge_options and not purge):
        message = "forget: expected `shoepair forget STUDENT --batch BATCH`, or `shoepair forget --purge`"
        raise ShoepairError(message, fix="first withdraw the student, then `dvc repro`, then purge")
    if purge:
        with project_lock.hold_alone("`shoepair forget --purge`", with_experiments=True):
            _purge(remotes or [], dry_run=dry_run, yes=yes)
        return
    from shoepair.commands.collection.remove import withdraw_student

    with project_lock.hold_alone("`shoepair forget`"):
        deleted = withdraw_student(student, batch)
    typer.echo(f"{student}: {len(deleted)} photos deleted from batch {batch!r}")
    typer.echo("next: `dvc repro`, `git add data dvc.lock metrics` and commit, then `shoepair forget --purge`")


def _purge(remotes: list[str], *, dry_run: bool, yes: bool) -> None:
    """List what is deleted, ask where others are concerned, delete it, and list what is left."""
    from shoepair.commands.collection.purging.purge import plan_purge

    with plan_purge(remotes) as plan:
        typer.echo("\n".join(terminal_tables.purge_plan_lines(plan)))
        if dry_run:
            typer.echo("\n".join([*terminal_tables.purge_remains_lines(plan), "nothing was changed"]))
            return
        if plan.warnings and not yes:
            if not sys.stdin.isatty():
                message = "forget --purge: other projects may be concerned, see above; nothing was deleted"
                raise ShoepairError(message, fix="add --yes to delete it without a question")
            _ask_or_end("delete it?", "nothing was deleted")
        receipt = plan.execute()
    typer.echo(f"deleted: {plan.counts.total():,} files and folders{f'; receipt: {receipt}' if receipt else ''}")
    typer.echo("\n".join(terminal_tables.purge_remains_lines(plan)))
    if plan.unproven:
        raise typer.Exit(1)


def _ask_or_end(question: str, answer_to_no: str) -> None:
    """Ask whether to go on; end with status 1 at no, and as everywhere at Ctrl-C, which typer would call a no.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    try:
        goes_on = typer.confirm(question)
    except typer.Abort:
        typer.echo()  # ends the line of the question
        raise KeyboardInterrupt from None
    if not goes_on:
        typer.echo(answer_to_no)
        raise typer.Exit(1)


@app.command()
@in_project
def diff(
    before: Annotated[str, typer.Argument(help="A commit, branch or tag.")],
    after: Annotated[str, typer.Argument(help="Another one; default: the workspace.")] = "workspace",
    *,
    as_json: JsonOption = False,
    markdown: MarkdownOption = False,
) -> None:
    """Compare two dataset versions: batches, students, photos, splits, and accuracies with their intervals."""
    from shoepair.commands.history import versions

    changes = versions.compare_revisions(before, after)
    text = terminal_tables.dataset_diff_text(changes, as_markdown=markdown)
    typer.echo(json_files.format_json(changes) if as_json else text)


@app.command()
@in_project
def log(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print the dataset versions along the git history."""
    from shoepair.commands.history import versions

    entries = versions.list_version_records()
    if not entries:
        message = "log: no commit of this project has records of photos"
        raise ShoepairError(message, fix="run `git add data dvc.lock metrics` and commit")
    text = terminal_tables.dataset_log_text(entries, as_markdown=markdown)
    typer.echo(json_files.format_json(entries) if as_json else text)


@app.command()
@in_project
def verify() -> None:
    """Compare every file that DVC recorded, and every cached file, with its digest."""
    from shoepair.commands.history.verify import verify_file_digests

    result = verify_file_digests()
    counts = f"{result.checked_files} recorded files and {result.checked_cache_files} cached files read"
    if not result.checked_files and not result.problems:
        message = f"verify: {counts}, so nothing is verified: nothing is recorded in this project"
        raise ShoepairError(message, fix="run `dvc repro`, which records what it reads and writes")
    if result.problems:
        count = f"{len(result.problems)} problem{'s' if len(result.problems) > 1 else ''}"
        message = f"verify: {count}; {counts}"
        raise ShoepairError(message, problems=result.problems, fix="fix them, then run `shoepair verify` again")
    typer.echo("\n".join([*result.missing_uncached, f"{counts}: all match the records"]))


@app.command()
@in_project
def doctor() -> None:
    """Repair what killed commands left behind; check params.yaml and data/batches.yaml."""
    _doctor()


def _doctor() -> None:
    from shoepair.commands.doctor import check_configuration, repair_project

    for line in repair_project():  # one by one: what is deleted is said before
        typer.echo(line)
    for line in check_configuration():
        typer.echo(line)


@app.command()
@in_project
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
    from shoepair.commands import grid_search

    with project_lock.hold_shared("`shoepair crossval`"):
        print_line = partial(progress.print_above_bar, stream=sys.stderr)
        results = grid_search.cross_validate_grid(models or [], folds, repeats, overrides or [], print_line)
    typer.echo(json_files.format_json(results) if as_json else terminal_tables.cv_text(results))


@app.command()
@in_project
def metrics() -> None:
    """Print the metrics of every model, the best one first, and the differences between models."""
    _metrics()


def _metrics() -> None:
    from shoepair.evaluation import metric_files

    fix = "run `dvc repro`, which computes them"
    typer.echo(terminal_tables.evaluation_text(metric_files.read_details(fix)))


def main() -> None:
    """Run the command line; print a user-facing error and exit with status 1.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        app()
    except SystemExit as ended:
        if ended.code == interruption.STATUS:  # typer ends so at Ctrl-C, without a word
            raise KeyboardInterrupt from None
        raise
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    except (OSError, MemoryError) as error:
        sys.exit(f"error: {from_os_error(error)}")


if __name__ == "__main__":
    main()
