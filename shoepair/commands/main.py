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

from shoepair.commands import printing
from shoepair.commands.analyze import app as analyze
from shoepair.commands.collection import cli as collection_cli
from shoepair.commands.history import cli as history_cli
from shoepair.commands.options import JsonOption, NameOption
from shoepair.commands.serving import cli as serving_cli
from shoepair.reports import terminal_tables
from shoepair.runtime import atomic_files, interruption, progress, project_lock, termination
from shoepair.runtime.batch_names import derive_batch_name
from shoepair.runtime.errors import ShoepairError, escape_unprintable, exit_with_error, from_os_error
from shoepair.runtime.project_root import in_project

# As Markdown: what stands in brackets is no markup and stays.
app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)
app.add_typer(analyze, name="analyze")
app.add_typer(serving_cli.export_app, name="export")


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
        collection_cli.add_class(photos, name or derive_batch_name(photos), replace_others=True)
    _doctor()
    with termination.clean_up_when_terminated("stopped; `shoepair repro` goes on from here"):
        run_pipeline(targets or [], jobs)
    if not targets:
        history_cli.metrics()


def doctor(*, as_json: JsonOption = False) -> None:
    """Repair what killed commands left behind; check params.yaml and data/batches.yaml."""
    _doctor(as_json=as_json)


def _doctor(*, as_json: bool = False) -> None:
    repairs = []
    with progress.show_status("looking for what killed commands left"):
        from shoepair.commands.doctor import check_configuration, repair_project

        for line in repair_project():  # one by one: what is deleted is said before
            repairs.append(line)
            progress.print_above_bar(line, stream=sys.stderr if as_json else None)
        lines = check_configuration()
    printing.print_blocks(lines, {"repairs": repairs, "configuration": lines}, as_json=as_json)


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
    against: Annotated[str, typer.Option(help="One of the models, to compare the others with.")] = "histogram",
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
        results = grid_search.cross_validate_grid(
            models or [], folds, repeats, overrides or [], print_line, counts, against
        )
        if plot is not None:
            from shoepair.reports import chart_drawing, charts  # imported late: they load matplotlib

            chart = charts.build_learning_chart(list(results.values()))
            with atomic_files.atomic_write(plot) as part:
                part.write_text(chart_drawing.svg_file_text(chart), encoding="utf-8")
    printing.print_blocks([terminal_tables.cv_table(results)], results, as_json=as_json)


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


for command in (
    serving_cli.check,
    serving_cli.serve,
    collection_cli.add,
    repro,
    collection_cli.batches,
    collection_cli.validate,
    collection_cli.suspects,
    collection_cli.remove,
    collection_cli.forget,
    history_cli.diff,
    history_cli.log,
    history_cli.experiments,
    history_cli.trace,
    history_cli.verify,
    doctor,
    crossval,
    heaps,
    history_cli.metrics,
):
    app.command()(in_project(command))


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
