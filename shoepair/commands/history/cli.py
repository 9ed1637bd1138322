"""The commands on versions and results: `shoepair diff`, `log`, `experiments`, `trace`, `verify`, `metrics`.

What a command needs is imported when it runs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from shoepair.commands import printing
from shoepair.commands.options import JsonOption, MarkdownOption
from shoepair.data.wording import count_with_noun
from shoepair.reports import terminal_tables, version_tables
from shoepair.reports.text_tables import Block
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError


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


def log(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print the dataset versions along the git history."""
    with progress.show_status("reading the history"):
        from shoepair.commands.history import freshness, versions

        entries = versions.list_version_records()
        reasons = freshness.find_outdated_reasons() if entries else []
    if not entries:
        message = "log: no commit of this project has records of photos"
        raise ShoepairError(message, fix="run `git add data dvc.lock metrics` and commit")
    blocks: list[Block] = [version_tables.dataset_log_table(entries)]
    blocks += printing.outdated_lines(reasons, "the workspace is not in this list, and its figures")
    printing.print_blocks(blocks, entries, as_json=as_json, as_markdown=markdown)


def experiments(*, as_json: JsonOption = False, markdown: MarkdownOption = False) -> None:
    """Print DVC's experiments side by side: the parameters that differ, and the accuracies of the best model."""
    with progress.show_status("reading the experiments"):
        from shoepair.commands.history.experiments import list_experiments

        entries = list_experiments()
    table = version_tables.experiments_table(entries)
    printing.print_blocks([table], entries, as_json=as_json, as_markdown=markdown)


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
            blocks: list[Block] = [origins.format_origin(value)]
        else:
            value = traces.list_traces(subject, batch)
            if remotes:
                value["traces"] += traces.list_remote_traces(value)
            blocks = traces.trace_blocks(value)
    printing.print_blocks(blocks, value, as_json=as_json)


def verify(*, as_json: JsonOption = False) -> None:
    """Compare every file that DVC recorded, and every cached file, with its digest."""
    with progress.show_status("comparing files with their digests"):
        from shoepair.commands.history.verify import verify_file_digests

        result = verify_file_digests()
    recorded = count_with_noun(result.checked_files, "recorded file")
    counts = f"{recorded} and {count_with_noun(result.checked_cache_files, 'cached file')} read"
    if as_json:
        printing.print_blocks([], asdict(result), as_json=True)
        if result.problems or not result.checked_files:
            raise typer.Exit(1)
        return
    if not result.checked_files and not result.problems:
        message = f"verify: {counts}, so nothing is verified: nothing is recorded in this project"
        raise ShoepairError(message, fix="run `dvc repro`, which records what it reads and writes")
    if result.problems:
        message = f"verify: {count_with_noun(len(result.problems), 'problem')}; {counts}"
        raise ShoepairError(message, problems=result.problems, fix="fix them, then run `shoepair verify` again")
    printing.print_lines(*result.missing_uncached, f"{counts}: all match the records")


def metrics(*, as_json: JsonOption = False) -> None:
    """Print the metrics of every model, those trained from scratch first, and the differences between models."""
    with progress.show_status("reading the figures"):
        from shoepair.commands.history import freshness
        from shoepair.evaluation import metric_files

        details = metric_files.read_details("run `dvc repro`, which computes them")
        reasons = freshness.find_outdated_reasons()
    blocks = [*terminal_tables.evaluation_blocks(details), *printing.outdated_lines(reasons)]
    printing.print_blocks(blocks, {**details, "out_of_date": reasons}, as_json=as_json)
