"""`shoepair check`, `serve` and `export`: use of the trained models."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoepair.commands import printing
from shoepair.commands.serving import photo_issues
from shoepair.data import naming
from shoepair.data.wording import count_with_noun
from shoepair.reports.formatting import format_percent
from shoepair.runtime import progress, project_lock
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.project_root import in_project

if TYPE_CHECKING:
    from shoepair.commands.serving import predictor
    from shoepair.commands.serving.matching import FolderMatching

USAGE = "run `shoepair check LEFT RIGHT`, or `shoepair check FOLDER`"
NOT_SURE_STATUS = 3  # exit status where the answer is "not sure"

export_app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Write files for other programs.",
)
OutputOption = Annotated[Path | None, typer.Option("--output", help="File to write; default: one in reports/.")]


def check(
    left: Annotated[Path, typer.Argument(help="Photo of the left shoe (JPEG, HEIC, PNG, WebP, AVIF); or a folder.")],
    right: Annotated[Path | None, typer.Argument(help="Photo of the right shoe.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG to write: the shoes of each answer side by side.")] = None,
) -> None:
    """Predict whether two shoes are a pair, or which shoes in a folder are.

    Exit status: 0 sure, 3 not sure or only probable (in a folder: a pair is, or a photo was left out), 1 an error,
    2 wrong usage.
    """
    if picture is not None and picture.suffix.lower() != ".png":
        message = f"check: --picture {escape_unprintable(str(picture))}, expected a name that ends with .png"
        raise ShoepairError(message, fix="write `--picture pairs.png`")
    _raise_if_not_photos((left,) if right is None else (left, right))
    result: FolderMatching | predictor.Prediction
    with progress.show_status("comparing the shoes"):
        from shoepair.commands.serving import matching  # imported late: it loads torch
        from shoepair.commands.serving.predictor import load_predictor

        pair_predictor = load_predictor()
        if right is None:
            result = matching.match_folder(left, pair_predictor)
            lines = list(iter_matching_lines(result))
            shown = [(left / match.left, left / match.right, match.prediction) for match in result.pairs]
        else:
            left, right = _order_by_names(left, right)
            result = pair_predictor.predict(_load_photo(pair_predictor, left), _load_photo(pair_predictor, right))
            lines = [result.verdict, *result.advice, *result.reasons, result.learning]
            shown = [(left, right, result)]
        if picture is not None:
            from shoepair.commands.serving import pair_picture  # imported late: most calls draw nothing

            load = partial(_load_photo, pair_predictor)
            pairs = [(one.name, other.name, load(one), load(other), prediction) for one, other, prediction in shown]
            pair_picture.write_picture(picture, pairs)
    printing.print_blocks(lines, result.to_dict(), as_json=as_json)
    if not result.is_sure:
        raise typer.Exit(NOT_SURE_STATUS)


def _order_by_names(left: Path, right: Path) -> tuple[Path, Path]:
    """Return the two photos, the left one first, by their names; raise if both are of the same side."""
    from shoepair.commands.serving import matching  # imported late: it loads torch

    sides = [matching.parse_side(path.name) for path in (left, right)]
    if sides[0] and sides[0] == sides[1]:
        names = " and ".join(escape_unprintable(path.name) for path in (left, right))
        message = f"check: {names} are both {sides[0]} shoes by their names, expected a left and a right one"
        raise ShoepairError(message, fix="choose one photo of each shoe, or rename the file")
    return (right, left) if sides[0] == "right" or sides[1] == "left" else (left, right)


def _raise_if_not_photos(input_paths: tuple[Path, ...]) -> None:
    """Raise if a path is missing, or they are neither two files nor one folder."""
    for path in input_paths:
        if not path.exists():
            message = f"{escape_unprintable(str(path))}: no such file or folder"
            raise ShoepairError(message)
    if len(input_paths) == 1 and not input_paths[0].is_dir():
        message = f"check: one photo, {escape_unprintable(str(input_paths[0]))}, expected two, or one folder"
        raise ShoepairError(message, fix=USAGE)
    for path in input_paths if len(input_paths) > 1 else ():
        if not path.is_file():
            message = f"{escape_unprintable(str(path))}: not a file, expected two photos, or one folder"
            raise ShoepairError(message, fix=USAGE)


def _load_photo(pair_predictor: predictor.PairPredictor, path: Path) -> predictor.ShoePhoto:
    """Read and prepare one photo; raise ShoepairError if it is not one."""
    try:
        return pair_predictor.prepare_photo(path)
    except naming.PhotoError as error:
        message = f"{escape_unprintable(str(path))}: {error}"
        fix = f"the photo {photo_issues.explain_unreadable(_read_start(path), str(error))}"
        raise ShoepairError(message, fix=fix) from None


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 accepts other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 uses a free one.")] = 8000,
    max_requests: Annotated[int, typer.Option(min=1, max=64, help="Pairs compared at once; more get status 503.")] = 8,
) -> None:
    """Run the web server that compares two photos, until Ctrl-C. Needs the extra [serve]."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        message = "serve: this system cannot fork processes, which the server needs"
        raise ShoepairError(message, fix="use Linux or macOS, or WSL on Windows; `shoepair check` works here")
    try:
        with progress.show_status("loading the model"):
            from shoepair.commands.serving import web  # imported late: it is an extra and loads torch
    except ImportError as error:
        message = f"serve: {error.name} is not installed"
        raise ShoepairError(message, fix="install it: python -m pip install -e '.[serve]'") from None
    web.serve(host, port, max_requests, printing.print_lines)


@export_app.command()
@in_project
def onnx(output_path: OutputOption = None) -> None:
    """Export the best model as ONNX and compare it with torch on all test pairs. Needs the extra [onnx]."""
    with project_lock.hold_shared("`shoepair export`"), progress.show_status("exporting"):
        from shoepair.commands.serving import exports  # imported late: it loads torch

        path, count, difference = exports.export_and_compare_onnx(output_path)
    pairs = count_with_noun(count, "test pair")
    printing.print_lines(f"{path}: logits of {pairs} differ from torch's by {difference:.1e} at most")


@export_app.command()
@in_project
def npy(
    split: Annotated[str, typer.Option(help="train, valid, test_m or test_w.")], output_path: OutputOption = None
) -> None:
    """Export the photos of one split as the assignment's array: (N, 3, 2, S, S, 3) float32 of -0.5..0.5."""
    with project_lock.hold_shared("`shoepair export`"), progress.show_status("exporting"):
        from shoepair.commands.serving import exports  # imported late: it loads torch

        path, shape = exports.export_npy(split, output_path)
    printing.print_lines(
        f"{path}: {' x '.join(map(str, shape))} float32; it contains photos, and `shoepair forget` does not delete it"
    )


def iter_matching_lines(matching: FolderMatching) -> Iterator[str]:
    """Format a folder matching as lines: pairs, most probable first; unmatched photos; unreadable files."""
    for match in matching.pairs:
        prediction = match.prediction
        doubt = "" if prediction.is_sure else f"; {prediction.verdict}: {' '.join(prediction.reasons)}"
        yield f"{match.left} + {match.right}: {format_percent(prediction.score)}{doubt}"
    yield f"{count_with_noun(len(matching.pairs), 'pair')} found"
    for name in matching.unmatched:
        yield f"unmatched: {name}, no partner found"
    for name, reason in matching.left_out.items():
        yield f"left out: {name} {reason}"
    for name, reason in matching.unreadable.items():
        yield f"unreadable: {name}: {reason}"
    if not matching.sides_known:
        yield "not all file names say left or right: two shoes of the same side may be matched"
    if matching.learning:
        yield matching.learning
