"""`shoepair analyze`: the analysis of the models in the terminal, step by step, also with other numbers.

Numbers are written as 1,3,2; vectors of a sequence and rows of a matrix as 1,1/0,1 (a single one as 1,1/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shoepair.commands import printing
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:  # imported late, so that no other command waits for NumPy and torch
    from shoepair.reports.analysis import gnn
    from shoepair.reports.analysis.numerics import Floats

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown", help="Analyse the models step by step.")

TargetOption = Annotated[float, typer.Option(help="Label: 0 or 1.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KernelSizeOption = Annotated[int, typer.Option(help="K of every convolution: 3 or 5.")]


def parse_comma_separated(option_name: str, text: str) -> list[float]:
    """Parse comma-separated numbers such as "1,3,2".

    Raises:
        ShoepairError: one of them is not a number.
    """
    numbers = []
    for position, word in enumerate(text.split(","), start=1):
        try:
            numbers.append(float(word))
        except ValueError:
            message = f"{option_name}: {word!r} at position {position} of {text!r} is not a number"
            raise ShoepairError(message, fix=f"write {option_name} as 1,3,2 and rows as 1,1/0,1") from None
    return numbers


def parse_matrix(option_name: str, text: str) -> Floats:
    """Parse rows such as "1,1/0,1" into a matrix.

    Raises:
        ShoepairError: a value is not a number, or the rows have different lengths.
    """
    rows = [parse_comma_separated(option_name, row) for row in text.removesuffix("/").split("/")]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            message = f"{option_name}: row {number} has {len(row)} numbers and row 1 has {len(rows[0])}, in {text!r}"
            raise ShoepairError(message, fix="give all rows the same length")
    return _to_array(option_name, rows)


def parse_vector_or_matrix(option_name: str, text: str) -> Floats:
    """Parse "1,3,2" into a vector, or "1,1/0,1" into a matrix with one vector per row."""
    if "/" in text:
        return parse_matrix(option_name, text)
    return _to_array(option_name, parse_comma_separated(option_name, text))


def _to_array(option_name: str, values: list[float] | list[list[float]]) -> Floats:
    from shoepair.reports.analysis.numerics import to_finite_array

    return to_finite_array(option_name, values)


def parse_edges(text: str) -> gnn.Edges:
    """Parse graph edges such as "1-2,2-3" into node pairs; an empty text gives none.

    Raises:
        ShoepairError: an edge does not have this form.
    """
    edges = []
    for word in filter(None, text.split(",")):
        ends = word.strip().split("-")
        if len(ends) != 2 or not all(end.isascii() and end.isdigit() for end in ends):
            message = f"edges: {word!r} in {text!r} is not an edge"
            raise ShoepairError(message, fix="write edges as 1-2,2-3, nodes numbered from 1")
        edges.append((int(ends[0]), int(ends[1])))
    return tuple(edges)


def _parse_weights(texts: list[str], layers: int | None) -> tuple[Floats, ...]:
    """Parse W of each layer; a single one is shared by all layers."""
    given = tuple(parse_matrix(f"weight of layer {i}", text) for i, text in enumerate(texts, start=1))
    if layers is None or layers == len(given):
        return given
    if len(given) != 1:
        message = f"weight: {len(given)} matrices for {layers} layers"
        raise ShoepairError(message, fix="give one for each layer, or a single one that all layers share")
    return given * layers


@app.callback(invoke_without_command=True)
def print_all(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Print parameters, receptive fields, a 1D convolution and a graph network; without a command, all of them."""
    if context.invoked_subcommand is not None:
        return
    with progress.show_status("analysing"):
        from shoepair.models.config import ModelConfig
        from shoepair.reports.analysis import conv1d, gnn, page

    if as_json:
        printing.print_blocks([], page.compute_analysis(ModelConfig()), as_json=True)
        return
    print_parameters(n=4, kernel_size=3)
    for kernel_size in (3, 5):
        print_receptive_fields(kernel_size)
    printing.print_markdown(conv1d.chapter_markdown())
    printing.print_markdown(gnn.chapter_markdown())


@app.command("parameters")
def print_parameters(
    n: Annotated[int, typer.Option(help="Channels after the first convolution.", max=4096)] = 4,
    kernel_size: KernelSizeOption = 3,
    *,
    batch_norm: Annotated[bool, typer.Option("--batch-norm", help="Normalise after every convolution.")] = False,
) -> None:
    """Print the parameter counts of both networks, layer by layer: by formula and as counted in PyTorch."""
    with progress.show_status("counting the parameters"):
        from shoepair.models.config import ModelConfig
        from shoepair.reports.analysis import parameter_counts

    printing.print_markdown(
        parameter_counts.chapter_markdown(ModelConfig(n=n, kernel_size=kernel_size, batch_norm=batch_norm))
    )


@app.command("receptive")
def print_receptive_fields(kernel_size: KernelSizeOption = 3) -> None:
    """Print the receptive field of every layer of the networks, and of N stacked 1D convolutions."""
    with progress.show_status("measuring the receptive fields"):
        from shoepair.reports.analysis import receptive_field

        chapters = receptive_field.chapter_markdown(kernel_size), receptive_field.stacked_chapter_markdown(kernel_size)
    for chapter in chapters:
        printing.print_markdown(chapter)


@app.command("conv1d")
def print_conv1d(
    x: Annotated[str, typer.Option(help="Input: numbers as 1,3,2 or vectors as 1,1/0,1.")],
    kernel: Annotated[str, typer.Option(help="w1, at most as long as x: --kernel=-1,2,-1.")],
    *,
    b1: Annotated[float, typer.Option(help="Bias of the convolution.")] = 0.0,
    w2: Annotated[str, typer.Option(help="Weights of the hidden units, or one for all.")] = "1",
    b2: Annotated[float, typer.Option(help="Bias of the logit.")] = 1.0,
    target: TargetOption = 0.0,
) -> None:
    """Compute a 1D convolution network by hand, forward and backward; b2 = 1 as in the assignment."""
    with progress.show_status("computing"):
        import numpy as np

        from shoepair.reports.analysis import conv1d

    problem = conv1d.Problem(
        x=parse_vector_or_matrix("x", x),
        w1=parse_vector_or_matrix("kernel", kernel),
        b1=b1,
        w2=np.array(parse_comma_separated("w2", w2)),
        b2=b2,
        t=target,
    )
    printing.print_markdown(conv1d.steps_as_markdown(problem))


@app.command("gnn")
def print_gnn(
    edges_text: Annotated[str, typer.Option("--edges", help="As 1-2,2-3; nodes numbered from 1.")],
    features: Annotated[str, typer.Option(help="A vector per node, as 1,1/0,1.")],
    weight: Annotated[list[str], typer.Option(help="W of a layer, as 1,2/0,1; repeat it for further layers.")],
    q: Annotated[str, typer.Option(help="Weights of the readout, as 1,1.")],
    *,
    layers: Annotated[int | None, typer.Option(help="Number of layers, if all share one W.", min=1, max=100)] = None,
    target: TargetOption = 0.0,
) -> None:
    """Compute a graph neural network by hand, forward and backward."""
    with progress.show_status("computing"):
        import numpy as np

        from shoepair.reports.analysis import gnn

    problem = gnn.Problem(
        edges=parse_edges(edges_text),
        h=parse_matrix("features", features),
        weights=_parse_weights(weight, layers),
        q=np.array(parse_comma_separated("q", q)),
        t=target,
    )
    printing.print_markdown(gnn.steps_as_markdown(problem))
