"""Command line `shoepair`. The pipeline itself runs by `dvc repro` and needs no command of this module.

A command imports what it runs when it runs: together they load DVC, pandas and torch, for which no other command
should wait, nor `--help`.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from shoepair.commands import printing
from shoepair.commands.analyze import app as analyze
from shoepair.commands.serving import cli as serving_cli
from shoepair.data.wording import count_with_noun
from shoepair.reports import collection_tables, terminal_tables, version_tables
from shoepair.runtime import atomic_files, interruption, paths, progress, project_lock, termination
from shoepair.runtime.batch_names import derive_batch_name
from shoepair.runtime.errors import ShoepairError, escape_unprintable, exit_with_error, from_os_error
from shoepair.runtime.project_root import in_project

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NameOption = Annotated[
    str, typer.Option(help="Batch name: lower-case letters, digits, '-', '_'; default: made of the source's name.")
]
MarkdownOption = Annotated[bool, typer.Option("--md", help="Print Markdown.")]

# As Markdown: what stands in brackets is no markup and stays.
app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)
app.add_typer(analyze, name="analyze")
app.add_typer(serving_cli.export_app, name="export")
app.command()(in_project(serving_cli.check))
app.command()(in_project(serving_cli.serve))


def _print_version(value: bool) -> None:
    if value:
        from importlib import metadata

        printing.print_lines(f"shoepair {metadata.version('shoepair')}")
        raise typer.Exit


@app.callback()
def _callback(
    *,
    version: Annotated[  # its callback prints it
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
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
    hold = project_lock.hold_shared if dry_run else project_lock.hold_alone
    with hold("`shoepair add`"), progress.show_status("checking the photos"):
        from shoepair.commands.collection.add import add_batch

        result, shifts = add_batch(source, name, replace_others=replace_others, dry_run=dry_run)
    counts = result.count_files()
    others = count_with_noun(counts["ignored"], "other file")
    students = count_with_noun(counts["students"], "student")
    summary = f"{students}, {count_with_noun(counts['accepted'], 'photo')}, {others} ignored"
    details = collection_tables.list_validation_detail_lines(result.build_report(name))
    details.append(collection_tables.subsets_line(result.accepted))
    details += collection_tables.ignored_lines(list(result.manifest.loc[result.manifest["ignored"], "path"]))
    printing.print_lines(*details, *collection_tables.list_drift_lines(shifts))
    if dry_run:
        printing.print_lines(f"{summary}: valid, can be added as batch {name!r}; nothing was changed")
        return
    printing.print_lines(f"{summary}: now batch {name!r}")
    printing.print_lines("next: `dvc repro`, then `git add data dvc.lock metrics` and commit")


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
def batches(*, as_json: JsonOption = False) -> None:
    """Print a table of the batches: students with men's shoes only, women's only or both; photos, bytes."""
    with progress.show_status("counting the photos"):
        from shoepair.commands.collection import overview

        rows = overview.batch_overview_rows()
    value = overview.rows_as_json(rows)
    printing.print_blocks([collection_tables.batch_table(rows)], value, as_json=as_json)


@app.command()
@in_project
def validate(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Check all batches against the rules and print every error; nothing is changed."""
    with progress.show_status("checking all batches"):
        from shoepair.commands.collection import overview
        from shoepair.ingestion import validation_counts

        reports = [result.build_report(batch) for batch, result in overview.validation_result_by_batch().items()]
    total = validation_counts.counts_by_batch_and_total({report["batch"]: report for report in reports})["total"]
    blocks = collection_tables.validation_blocks(reports, total, as_markdown=markdown)
    printing.print_blocks(blocks, reports, as_json=as_json, as_markdown=markdown)
    if any(report["reasons"] for report in reports):
        raise typer.Exit(1)


@app.command()
@in_project
def suspects(
    *, top: Annotated[int, typer.Option(min=1, help="Number of students.")] = 10, as_json: JsonOption = False
) -> None:
    """Print the students whose photos probably have label issues, the most probable first; check them yourself."""
    with progress.show_status("reading the ranking"):
        from shoepair.data import parquet_files, schemas

        rows = parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues).head(top).to_dict("records")
    printing.print_blocks(collection_tables.suspect_blocks(rows), rows, as_json=as_json)


@app.command()
@in_project
def remove(batch: Annotated[str, typer.Argument(help="A listed batch.")]) -> None:
    """Remove a batch from the pipeline; the last commit, which must have it, still restores it."""
    with project_lock.hold_alone("`shoepair remove`"), progress.show_status(f"removing batch {batch}"):
        from shoepair.commands.collection.remove import remove_batch

        files = remove_batch(batch)
    printing.print_lines(f"batch {batch!r}: {count_with_noun(files, 'file')} removed")
    printing.print_lines("next: `dvc repro`, then `git add --all data dvc.lock metrics` and commit")


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
    with project_lock.hold_alone("`shoepair forget`"), progress.show_status(f"deleting the photos of {student}"):
        from shoepair.commands.collection.remove import withdraw_student

        deleted = withdraw_student(student, batch)
    printing.print_lines(f"{student}: {count_with_noun(len(deleted), 'photo')} deleted from batch {batch!r}")
    printing.print_lines(
        "next: `dvc repro`, `git add data dvc.lock metrics` and commit, then `shoepair forget --purge`"
    )


def _purge(remotes: list[str], *, dry_run: bool, yes: bool) -> None:
    """List what is deleted, ask where others are concerned, delete it, and list what is left."""
    with ExitStack() as stack:
        with progress.show_status("searching every copy"):
            from shoepair.commands.collection.purging.purge import plan_purge

            plan = stack.enter_context(plan_purge(remotes))
        printing.print_lines(*collection_tables.purge_plan_lines(plan))
        if dry_run:
            printing.print_lines(*collection_tables.purge_remains_lines(plan), "nothing was changed")
            return
        if plan.warnings and not yes:
            if not sys.stdin.isatty():
                message = "forget --purge: other projects may be concerned, see above; nothing was deleted"
                raise ShoepairError(message, fix="add --yes to delete it without a question")
            _ask_or_end("delete it?", "nothing was deleted")
        with progress.show_status("deleting"):
            receipt = plan.execute()
    count = count_with_noun(plan.counts.total(), "file or folder", "files and folders")
    printing.print_lines(f"deleted: {count}{f'; receipt: {receipt}' if receipt else ''}")
    printing.print_lines(*collection_tables.purge_remains_lines(plan))
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
        printing.print_lines("")  # ends the line of the question
        raise KeyboardInterrupt from None
    if not goes_on:
        printing.print_lines(answer_to_no)
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
    with progress.show_status("comparing the versions"):
        from shoepair.commands.history import versions

        changes = versions.compare_revisions(before, after)
    blocks = version_tables.dataset_diff_blocks(changes, as_markdown=markdown)
    for side, reasons in changes["out_of_date"].items():
        blocks += printing.outdated_lines(reasons, f"the figures of {side}")
    printing.print_blocks(blocks, changes, as_json=as_json, as_markdown=markdown)


@app.command()
@in_project
def log(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print the dataset versions along the git history."""
    with progress.show_status("reading the history"):
        from shoepair.commands.history import freshness, versions

        entries = versions.list_version_records()
    if not entries:
        message = "log: no commit of this project has records of photos"
        raise ShoepairError(message, fix="run `git add data dvc.lock metrics` and commit")
    blocks: list[Any] = [version_tables.dataset_log_table(entries)]
    reasons = freshness.find_outdated_reasons()
    blocks += printing.outdated_lines(reasons, "the workspace is not in this list, and its figures")
    printing.print_blocks(blocks, entries, as_json=as_json, as_markdown=markdown)


@app.command()
@in_project
def experiments(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print DVC's experiments side by side: the parameters that differ, and the accuracies of the best model."""
    with progress.show_status("reading the experiments"):
        from shoepair.commands.history.experiments import list_experiments

        entries = list_experiments()
    table = version_tables.experiments_table(entries)
    printing.print_blocks([table], entries, as_json=as_json, as_markdown=markdown)


@app.command()
@in_project
def trace(
    subject: Annotated[str, typer.Argument(help="Student, photo, or an output such as models/siamese.")],
    batch: Annotated[str, typer.Option(help="Batch of the student, if several have one of this id.")] = "",
    *,
    remotes: Annotated[bool, typer.Option("--remotes", help="Ask DVC's remotes too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print everything that a photo or a student has gone into; or what an output was made of."""
    with progress.show_status("following the records"):
        from shoepair.commands.history import origins, traces

        if origins.find_stage(subject):
            value = origins.describe_origin(subject)
            text = origins.format_origin(value)
        else:
            value = traces.list_traces(subject, batch)
            if remotes:
                value["traces"] += traces.list_remote_traces(value)
            text = traces.format_traces(value)
    printing.print_blocks([text], value, as_json=as_json)


@app.command()
@in_project
def verify() -> None:
    """Compare every file that DVC recorded, and every cached file, with its digest."""
    with progress.show_status("comparing files with their digests"):
        from shoepair.commands.history.verify import verify_file_digests

        result = verify_file_digests()
    recorded = count_with_noun(result.checked_files, "recorded file")
    counts = f"{recorded} and {count_with_noun(result.checked_cache_files, 'cached file')} read"
    if not result.checked_files and not result.problems:
        message = f"verify: {counts}, so nothing is verified: nothing is recorded in this project"
        raise ShoepairError(message, fix="run `dvc repro`, which records what it reads and writes")
    if result.problems:
        message = f"verify: {count_with_noun(len(result.problems), 'problem')}; {counts}"
        raise ShoepairError(message, problems=result.problems, fix="fix them, then run `shoepair verify` again")
    printing.print_lines(*result.missing_uncached, f"{counts}: all match the records")


@app.command()
@in_project
def doctor() -> None:
    """Repair what killed commands left behind; check params.yaml and data/batches.yaml."""
    _doctor()


def _doctor() -> None:
    with progress.show_status("looking for what killed commands left"):
        from shoepair.commands.doctor import check_configuration, repair_project

        for line in repair_project():  # one by one: what is deleted is said before
            progress.print_above_bar(line)
        lines = check_configuration()
    printing.print_lines(*lines)


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
    students: Annotated[str, typer.Option(help="Learn from so few students of the other folds, like 2,5,10.")] = "",
    plot: Annotated[Path | None, typer.Option(help="SVG to write: accuracy by the number of these students.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Cross-validate models on the students of train and valid; resumes an interrupted run."""
    if plot is not None and (not students or plot.suffix.lower() != ".svg"):
        message = (
            f"crossval: --plot {escape_unprintable(str(plot))}, expected a name that ends with .svg, and --students"
        )
        raise ShoepairError(message, fix="write `--students 2,5,10 --plot learning.svg`")
    with project_lock.hold_shared("`shoepair crossval`"), progress.show_status("cross-validating"):
        from shoepair.commands import grid_search

        print_line = partial(progress.print_above_bar, stream=sys.stderr)
        counts = grid_search.parse_student_counts(students)
        results = grid_search.cross_validate_grid(models or [], folds, repeats, overrides or [], print_line, counts)
        if plot is not None:
            from shoepair.reports import chart_drawing, charts  # imported late: they load matplotlib

            chart = charts.build_learning_chart(list(results.values()))
            with atomic_files.atomic_write(plot) as part:
                part.write_text(chart_drawing.svg_file_text(chart), encoding="utf-8")
    printing.print_blocks([terminal_tables.cv_table(results)], results, as_json=as_json)


@app.command()
@in_project
def heaps(
    model: Annotated[str, typer.Argument(help="Name of a trained model; default: the best one by validation.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Put heaps of 6, 20, 60 and 200 shoes of valid and test students together; print how many pairs are right."""
    with project_lock.hold_shared("`shoepair heaps`"), progress.show_status("putting heaps together"):
        from shoepair.commands.serving.heaps import measure_heaps  # imported late: it loads torch
        from shoepair.evaluation import thresholds
        from shoepair.evaluation.config import AuditConfig
        from shoepair.runtime import params

        entries = measure_heaps(model or thresholds.read_decision_rule().model, params.load(AuditConfig).seed)
    printing.print_blocks([terminal_tables.heap_table(entries)], entries, as_json=as_json)


@app.command()
@in_project
def metrics(*, as_json: JsonOption = False) -> None:
    """Print the metrics of every model, the best one first, and the differences between models."""
    _metrics(as_json=as_json)


def _metrics(*, as_json: bool = False) -> None:
    with progress.show_status("reading the figures"):
        from shoepair.commands.history import freshness
        from shoepair.evaluation import metric_files

        details = metric_files.read_details("run `dvc repro`, which computes them")
        reasons = freshness.find_outdated_reasons()
    blocks = [*terminal_tables.evaluation_blocks(details), *printing.outdated_lines(reasons)]
    printing.print_blocks(blocks, {**details, "out_of_date": reasons}, as_json=as_json)


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
        exit_with_error(error)
    except (OSError, MemoryError) as error:
        exit_with_error(from_os_error(error))


if __name__ == "__main__":
    main()
