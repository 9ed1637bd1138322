"""`shoepair check`, `serve` and `export`: the trained networks in use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoepair.data import naming
from shoepair.reports.format import percent, plural
from shoepair.runtime.errors import ShoepairError, escaped

if TYPE_CHECKING:
    from shoepair.commands.serving import predictor
    from shoepair.commands.serving.matching import Matching

CALLS = "run `shoepair check LEFT RIGHT`, or `shoepair check FOLDER`"
NO_ANSWER = 3  # exit status where the answer is "not sure"

export = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Files for other programs.")
To = Annotated[Path | None, typer.Option("--to", help="The file to write; by default one in reports/.")]


def check(
    left: Annotated[Path, typer.Argument(help="Photo of the left shoe (PNG, JPEG, WebP); or a folder of photos.")],
    right: Annotated[Path | None, typer.Argument(help="Photo of the right shoe.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say whether two shoes are a pair, or which shoes in a folder are.

    Exit status: 0 an answer was given, 3 not sure (in a folder: a pair is doubtful, or a file could not be read),
    1 an error, 2 not a call of this command.
    """
    both = (left,) if right is None else (left, right)
    _refuse(both)
    from shoepair.commands.serving import matching  # here, since it loads torch, and `--help` must not wait
    from shoepair.commands.serving.predictor import appoint

    judge = appoint()
    if right is None:
        found = matching.match_folder(left, judge)
        document, lines, sure = found.document(), list(matching_lines(found)), found.sure
    else:
        answer = judge.judge(_shoe(judge, left), _shoe(judge, right))
        lines = [answer.verdict, *answer.reasons, *answer.advice]
        document, sure = answer.document(), answer.sure
    typer.echo(json.dumps(document, indent=2) if as_json else "\n".join(lines))
    if not sure:
        raise typer.Exit(NO_ANSWER)


def _refuse(given: tuple[Path, ...]) -> None:
    """What is not there, or not two photos or one folder."""
    for path in given:
        if not path.exists():
            found = f"{escaped(str(path))}: no such file or folder"
            raise ShoepairError(found)
    if len(given) == 1 and not given[0].is_dir():
        found = f"check: one photo, {escaped(str(given[0]))}, expected two, or one folder"
        raise ShoepairError(found, fix=CALLS)
    for path in given if len(given) > 1 else ():
        if not path.is_file():
            found = f"{escaped(str(path))}: not a file, expected two photos, or one folder"
            raise ShoepairError(found, fix=CALLS)


def _shoe(judge: predictor.Judge, path: Path) -> predictor.Shoe:
    """A photo, or the message that it is none."""
    try:
        return judge.prepare(path)
    except naming.PhotoError as error:
        found = f"{escaped(str(path))}: {error}"
        raise ShoepairError(found, fix="PNG, JPEG and WebP photos are read") from None


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Requests worked at once; more are sent away.")] = 8,
) -> None:
    """Serve the web page that looks at two photos, until Ctrl-C. Needs the extra `shoepair[serve]`."""
    try:
        from shoepair.commands.serving import web  # here, since it is an extra, and loads torch
    except ImportError as error:
        found = f"serve: {error.name} is not installed"
        raise ShoepairError(found, fix="install it: python -m pip install 'shoepair[serve]'") from None
    web.serve(host, port, at_once, typer.echo)


@export.command()
def onnx(to: To = None) -> None:
    """Write the best model as ONNX, and compare it with torch on all test pairs. Needs the extra `shoepair[onnx]`."""
    from shoepair.commands.serving import exports  # here, since it loads torch

    path, count, difference = exports.onnx(to)
    typer.echo(f"{path}: logits of {count} test pairs differ from torch's by {difference:.1e} at most")


@export.command()
def npy(split: Annotated[str, typer.Option(help="train, valid, test_m or test_w.")], to: To = None) -> None:
    """Write the photos of one split as the assignment's array: (N, 3, 2, S, S, 3) float32 of -0.5..0.5."""
    from shoepair.commands.serving import exports  # here, since it loads torch

    path, shape = exports.npy(split, to)
    typer.echo(f"{path}: {' x '.join(map(str, shape))} float32; it holds photos, and `shoepair forget` misses it")


def matching_lines(matching: Matching) -> Iterator[str]:
    """A line per pair, the surest first; then what is left over, and what could not be read."""
    for match in matching.pairs:
        doubt = "" if match.answer.sure else f"; {match.answer.verdict}: {' '.join(match.answer.reasons)}"
        yield f"{match.left} + {match.right}: {percent(match.answer.score)}{doubt}"
    yield f"{plural(len(matching.pairs), 'pair')} found"
    for name in matching.single:
        yield f"left over: {name}, no partner found"
    for name, reason in matching.unreadable.items():
        yield f"not read: {name}: {reason}"
    if not matching.sided:
        yield "the file names do not all tell left or right: shoes of one side may have been put together"
