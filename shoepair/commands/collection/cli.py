"""The commands on batches and students: `shoepair add`, `batches`, `validate`, `suspects`, `remove`, `forget`.

What a command needs is imported when it runs: pandas and DVC take longer to load than `--help` to print.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shoepair.commands import printing
from shoepair.commands.options import JsonOption, MarkdownOption, NameOption
from shoepair.data.wording import count_with_noun
from shoepair.reports import collection_tables
from shoepair.reports.text_tables import Block
from shoepair.runtime import paths, progress, project_lock
from shoepair.runtime.batch_names import derive_batch_name
from shoepair.runtime.errors import ShoepairError


def add(
    source: Annotated[Path, typer.Argument(help="Folder, zip or tar of class photos: train/, test_m/, test_w/.")],
    *,
    name: NameOption = "",
    replace_others: Annotated[bool, typer.Option("--alone", help="Remove all other batches from the list.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the photos, change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check class photos and add them as a batch of the pipeline."""
    name = name or derive_batch_name(source)
    add_class(source, name, replace_others=replace_others, dry_run=dry_run, as_json=as_json)


def add_class(source: Path, name: str, *, replace_others: bool, dry_run: bool = False, as_json: bool = False) -> None:
    """Add class photos as a batch, or check them only, and print what was found."""
    hold = project_lock.hold_shared if dry_run else project_lock.hold_alone
    with hold("`shoepair add`"), progress.show_status("checking the photos"):
        from shoepair.commands.collection.add import add_batch

        result, shifts = add_batch(source, name, replace_others=replace_others, dry_run=dry_run)
    counts = result.count_files()
    others = count_with_noun(counts["ignored"], "other file")
    students = count_with_noun(counts["students"], "student")
    summary = f"{students}, {count_with_noun(counts['accepted'], 'photo')}, {others} ignored"
    report = result.build_report(name)
    lines: list[Block] = [
        *collection_tables.list_validation_detail_lines(report),
        collection_tables.subsets_line(result.accepted),
        *collection_tables.ignored_lines(list(result.manifest.loc[result.manifest["ignored"], "path"])),
        *collection_tables.list_drift_lines(shifts),
    ]
    if dry_run:
        lines += [f"{summary}: valid, can be added as batch {name!r}; nothing was changed"]
    else:
        lines += [
            f"{summary}: now batch {name!r}",
            "next: `dvc repro`, then `git add data dvc.lock metrics` and commit",
        ]
    value = report | {"drift": [asdict(shift) for shift in shifts], "dry_run": dry_run}
    printing.print_blocks(lines, value, as_json=as_json)


def batches(*, as_json: JsonOption = False) -> None:
    """Print a table of the batches: students with men's shoes only, women's only or both; photos, bytes."""
    with progress.show_status("counting the photos"):
        from shoepair.commands.collection import overview

        rows = overview.batch_overview_rows()
    value = overview.rows_as_json(rows)
    printing.print_blocks([collection_tables.batch_table(rows)], value, as_json=as_json)


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


def suspects(
    *, top: Annotated[int, typer.Option(min=1, help="Number of students.")] = 10, as_json: JsonOption = False
) -> None:
    """Print the students whose photos probably have label issues, the most probable first; check them yourself."""
    with progress.show_status("reading the ranking"):
        from shoepair.data import parquet_files, schemas

        rows = parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues).head(top).to_dict("records")
    printing.print_blocks(collection_tables.suspect_blocks(rows), rows, as_json=as_json)


def remove(batch: Annotated[str, typer.Argument(help="A listed batch.")]) -> None:
    """Remove a batch from the pipeline; the last commit, which must have it, still restores it."""
    with project_lock.hold_alone("`shoepair remove`"), progress.show_status(f"removing batch {batch}"):
        from shoepair.commands.collection.remove import remove_batch

        files = remove_batch(batch)
    printing.print_lines(f"batch {batch!r}: {count_with_noun(files, 'file')} removed")
    printing.print_lines("next: `dvc repro`, then `git add --all data dvc.lock metrics` and commit")


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
