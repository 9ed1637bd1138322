"""`shoepair analyze`: the worked analysis in the terminal, and a user's own numbers step by step.

Numbers are given as 1,3,2; vectors of a sequence and rows of a matrix as 1,1/0,1 (a single one as 1,1/).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from shoepair.models.config import ModelConfig
from shoepair.reports.analysis import conv1d, gnn
from shoepair.reports.analysis.arrays import Floats, finite
from shoepair.runtime.errors import ShoepairError

app = typer.Typer(pretty_exceptions_enable=False, help="The models' analysis, worked step by step.")

Target = Annotated[float, typer.Option(help="Label: 0 or 1.")]
KernelSize = Annotated[int, typer.Option(help="K of every convolution: 3 or 5.")]


def numbers(name: str, text: str) -> list[float]:
    """Numbers from text such as 1,3,2.

    Raises:
        ShoepairError: one of them is none.
    """
    found = []
    for place, word in enumerate(text.split(","), start=1):
        try:
            found.append(float(word))
        except ValueError:
            message = f"{name}: {word!r} in place {place} of {text!r} is not a number"
            raise ShoepairError(message, fix=f"write {name} as 1,3,2 and rows as 1,1/0,1") from None
    return found


def matrix(name: str, text: str) -> Floats:
    """A matrix from text such as 1,1/0,1.

    Raises:
        ShoepairError: a value is not a number, or the rows have different lengths.
    """
    rows = [numbers(name, row) for row in text.removesuffix("/").split("/")]
    for place, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            message = f"{name}: row {place} has {len(row)} numbers and row 1 has {len(rows[0])}, in {text!r}"
            raise ShoepairError(message, fix="give every row as many numbers")
    return finite(name, rows)


def sequence(name: str, text: str) -> Floats:
    """Numbers from 1,3,2 or vectors from 1,1/0,1."""
    return matrix(name, text) if "/" in text else finite(name, numbers(name, text))


def edges(text: str) -> gnn.Edges:
    """Edges from text such as 1-2,2-3; none from an empty text.

    Raises:
        ShoepairError: an edge does not have this form.
    """
    found = []
    for word in filter(None, text.split(",")):
        ends = word.strip().split("-")
        if len(ends) != 2 or not all(end.isascii() and end.isdigit() for end in ends):
            message = f"edges: {word!r} in {text!r} is not an edge"
            raise ShoepairError(message, fix="write edges as 1-2,2-3, nodes numbered from 1")
        found.append((int(ends[0]), int(ends[1])))
    return tuple(found)


def _weights(texts: list[str], layers: int | None) -> tuple[Floats, ...]:
    """W of each layer; a single one is shared by all layers."""
    given = tuple(matrix(f"weight of layer {i}", text) for i, text in enumerate(texts, start=1))
    if layers is None or layers == len(given):
        return given
    if len(given) != 1:
        message = f"weight: {len(given)} matrices for {layers} layers"
        raise ShoepairError(message, fix="give one for each layer, or a single one that all layers share")
    return given * layers


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Parameters, receptive fields, a 1D convolution and a graph network by hand; without a command, all of it."""
    if context.invoked_subcommand is not None:
        return
    parameters(n=4, kernel_size=3)
    for kernel_size in (3, 5):
        receptive(kernel_size)
    typer.echo(conv1d.chapter())
    typer.echo(gnn.chapter())


@app.command("parameters")
def parameters(
    n: Annotated[int, typer.Option(help="Channels after the first convolution.", max=4096)] = 4,
    kernel_size: KernelSize = 3,
    *,
    batch_norm: Annotated[bool, typer.Option("--batch-norm", help="Normalise after every convolution.")] = False,
) -> None:
    """Parameters of both networks, layer by layer, as formulas and as counted in the modules."""
    from shoepair.reports.analysis import parameters  # loads torch, for which `shoepair --help` should not wait

    typer.echo(parameters.chapter(ModelConfig(n=n, kernel_size=kernel_size, batch_norm=batch_norm)))


@app.command("receptive")
def receptive(kernel_size: KernelSize = 3) -> None:
    """What one unit of each layer sees of a shoe image, and of N stacked 1D convolutions."""
    from shoepair.reports.analysis import receptive_field  # loads torch, for which `shoepair --help` should not wait

    typer.echo(receptive_field.chapter(kernel_size))
    typer.echo(receptive_field.chapter_stacked(kernel_size))


@app.command("conv1d")
def convolution(
    x: Annotated[str, typer.Option(help="Input: numbers as 1,3,2 or vectors as 1,1/0,1.")],
    kernel: Annotated[str, typer.Option(help="w1, as long as x or shorter: --kernel=-1,2,-1.")],
    *,
    b1: Annotated[float, typer.Option(help="Bias of the convolution.")] = 0.0,
    w2: Annotated[str, typer.Option(help="Weights of the hidden units, or one for all.")] = "1",
    b2: Annotated[float, typer.Option(help="Bias of the logit.")] = 1.0,
    target: Target = 0.0,
) -> None:
    """A 1D convolution network by hand, forward and backward; b2 = 1 as in the assignment."""
    problem = conv1d.Problem(
        x=sequence("x", x), w1=sequence("kernel", kernel), b1=b1, w2=np.array(numbers("w2", w2)), b2=b2, t=target
    )
    typer.echo(conv1d.describe(problem))


@app.command("gnn")
def graph_network(
    edges_text: Annotated[str, typer.Option("--edges", help="As 1-2,2-3; nodes numbered from 1.")],
    features: Annotated[str, typer.Option(help="A vector per node, as 1,1/0,1.")],
    weight: Annotated[list[str], typer.Option(help="W of a layer, as 1,2/0,1; again for each further layer.")],
    q: Annotated[str, typer.Option(help="Of the readout, as 1,1.")],
    *,
    layers: Annotated[int | None, typer.Option(help="If all share one W.", min=1, max=100)] = None,
    target: Target = 0.0,
) -> None:
    """A graph network by hand, forward and backward."""
    problem = gnn.Problem(
        edges=edges(edges_text),
        h=matrix("features", features),
        weights=_weights(weight, layers),
        q=np.array(numbers("q", q)),
        t=target,
    )
    typer.echo(gnn.describe(problem))
