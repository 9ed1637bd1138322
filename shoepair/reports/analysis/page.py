"""The analysis as a page: analysis.json for programs, index.md and its pictures for people.

    <folder>/analysis.json    format 1: every number of the page, 12 digits
    <folder>/index.md         the page
    <folder>/fields.png  conv1d.png  graph.png

The folder is made beside its place and renamed. The same shape and photo give the same bytes: pictures carry no
version or date, their only font comes with matplotlib, and 12 digits hide the bit in which two processors' exp differ.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from torch.nn import functional

from shoepair.models.config import KERNEL_SIZES, ModelConfig
from shoepair.reports.analysis import conv1d, gnn, parameters, receptive_field
from shoepair.reports.analysis.arrays import show, table

FORMAT = 1
COLOURS = ("#f0e442", "#56b4e9", "#e69f00", "#009e73")  # of Okabe and Ito: told apart by the colour-blind too
GRID = np.array([[1.0, 0, 2, 1], [0, 3, 1, 0], [2, 1, 0, 1]])  # whole numbers: sums without rounding
PLACES = {1: (0.0, 0.5), 2: (1.0, 0.5), 3: (1.8, 1.0), 4: (1.8, 0.0)}  # of the example's nodes, in its picture


def results(shape: ModelConfig) -> dict[str, Any]:
    """Every number of the page, ready for JSON."""
    kernel = shape.kernel_size
    networks = receptive_field.both(kernel, shape.edge)
    seam, rows = receptive_field.seam_rows(kernel, shape.edge)
    fields = receptive_field.network_fields(kernel, shape.edge)
    by_gradient = {name: receptive_field.measured(network) for name, network in networks.items()}
    document = {
        "format": FORMAT,
        "shape": {"n": shape.n, "kernel_size": kernel, "batch_norm": shape.batch_norm, "edge": shape.edge},
        "parameters": {name: parameters.count(name, shape) for name in networks},
        "receptive_fields": {"computed": fields, "by_gradient": by_gradient, "rows_seeing_both_shoes": [seam, rows]},
        "stacked_conv1d": [{"convolutions": n, "field": receptive_field.stacked(n, kernel)} for n in range(1, 6)],
        "conv1d": _worked(conv1d, conv1d.EXAMPLE),
        "conv1d_vectors": _worked(conv1d, conv1d.VECTORS),
        "gnn": _worked(gnn, gnn.EXAMPLE),
        "grid": {"graph": grid_by_graph(), "convolution": grid_by_convolution()},
    }
    return {key: _plain(value) for key, value in document.items()}


def _worked(chapter: Any, problem: Any) -> dict[str, Any]:
    """Both passes of a network by hand; `chapter` is conv1d or gnn, with its Problem."""
    values = chapter.forward(problem)
    return {"given": problem, "forward": values, "gradients": chapter.backward(problem, values)}


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as what JSON knows, numbers with 12 digits."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return _plain(vars(value)) if hasattr(value, "__dataclass_fields__") else value


def grid_by_graph() -> NDArray[np.float64]:
    """The layer on the grid of the page, W = [[1]]."""
    joined = gnn.adjacency(gnn.grid(*GRID.shape), GRID.size)
    return gnn.layer(joined, GRID.reshape(-1, 1), np.ones((1, 1))).h.reshape(GRID.shape)


def grid_by_convolution() -> NDArray[np.float64]:
    """The same by torch: a 3x3 convolution of ones, with zero padding."""
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    return functional.conv2d(torch.from_numpy(GRID)[None, None], kernel, padding=1)[0, 0].numpy()


def markdown(shape: ModelConfig) -> str:
    """The page."""
    parts = [
        _opening(shape),
        parameters.chapter(shape),
        receptive_field.chapter(shape.kernel_size, shape.edge),
        "![A shoe photo for K = 3 and one for K = 5, each with four nested squares: what a unit near the centre sees "
        "after each pooling.](fields.png)",
        receptive_field.chapter_stacked(shape.kernel_size),
        conv1d.chapter(),
        "![The example as rows of numbers: x, before ReLU, after it, and the derivatives that come back.](conv1d.png)",
        gnn.chapter(),
        "![The graph of four nodes with their vectors, before and after the layer.](graph.png)",
        _grid(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _opening(shape: ModelConfig) -> str:
    norm = "with" if shape.batch_norm else "without"
    return f"""
# Why the networks do what they do

n = {shape.n} channels after the first convolution, kernel size K = {shape.kernel_size}, {norm} batch norm,
{shape.edge} pixels along the edge of a shoe image. Every number here is computed when the page is made;
`analysis.json` holds them all. Where the assignment's published solution says something else, the page says so. To
work your own numbers: `shoepair analyze --help`.
"""


def _grid() -> str:
    columns = [str(column) for column in range(1, GRID.shape[1] + 1)]
    before, after = (table(columns, [[show(v) for v in row] for row in maps]) for maps in (GRID, grid_by_graph()))
    difference = show(np.abs(grid_by_graph() - grid_by_convolution()).max())
    return f"""
### A convolution is a graph network on a grid

Take the pixels of an image as nodes and join each to its eight neighbours. The layer is then a 3x3 convolution with
zero padding whose nine taps are all the same: a graph has no up and no left, so no tap can differ from another. Here
with W = [[1]], before

{before}

and after the layer; torch's `conv2d` differs from it by {difference} at most:

{after}
"""


def fields_picture(photo: NDArray[np.uint8]) -> Figure:
    """The fields after the four poolings, for either kernel size, on a shoe photo (S, S, 3)."""
    figure, panels = _panels(9.6, 5.2, len(KERNEL_SIZES))
    for axes, kernel in zip(panels, KERNEL_SIZES, strict=True):
        axes.imshow(photo, interpolation="nearest")
        axes.set_title(f"K = {kernel}")
        fields = receptive_field.network_fields(kernel, len(photo))
        for field, colour in zip([each for each in fields if each.layer.startswith("pool")], COLOURS, strict=True):
            start, stop = field.span(len(photo) // field.step // 2, len(photo))
            square = Rectangle((start - 0.5, start - 0.5), stop - start, stop - start, fill=False, ec=colour, lw=2)
            square.set_path_effects([withStroke(linewidth=3.5, foreground="black")])
            square.set_label(f"{field.layer}: {field.size} pixels")
            axes.add_patch(square)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)
    return figure


def conv1d_picture() -> Figure:
    """The example's numbers as rows of cells, hidden units under the middle of their windows."""
    values = conv1d.forward(conv1d.EXAMPLE)
    back = conv1d.backward(conv1d.EXAMPLE, values)
    rows: dict[str, NDArray[np.float64]] = {
        "x": conv1d.EXAMPLE.x,
        "w1 · window + b1": values.pre,
        "ReLU": values.hidden,
        "derivative of the\nloss, before ReLU": back.pre,
    }
    figure, (axes,) = _panels(8.4, 4.2, 1)
    for row, (name, numbers) in enumerate(rows.items()):
        axes.text(-0.9, -1.5 * row, name, ha="right", va="center")
        for place, number in enumerate(numbers, start=0 if row == 0 else 1):
            colour = COLOURS[1] if number > 0 and row else "white"
            axes.add_patch(Rectangle((place - 0.45, -1.5 * row - 0.4), 0.9, 0.8, fc=colour, ec="black"))
            axes.text(place, -1.5 * row, show(number, 3), ha="center", va="center")
    for place in range(3):  # the first window
        axes.plot([place, 1], [-0.4, -1.1], color="grey", lw=1)
    axes.set(xlim=(-4.2, 6.6), ylim=(-5.1, 0.6))
    return figure


def graph_picture() -> Figure:
    """The example's nodes with their vectors, before and after the layer."""
    made = gnn.forward(gnn.EXAMPLE).layers[0]
    figure, (before, after) = _panels(8.4, 3.2, 2)
    for axes, title, vectors in ((before, "before", gnn.EXAMPLE.h), (after, "after the layer", made.h)):
        axes.set_title(title)
        for one, other in gnn.EXAMPLE.edges:
            axes.plot(*zip(PLACES[one], PLACES[other], strict=True), color="grey", lw=1.5, zorder=1)
        for node, (x, y) in PLACES.items():
            axes.scatter(x, y, s=420, color=COLOURS[1], edgecolors="black", zorder=2)
            axes.text(x, y, str(node), ha="center", va="center")
            axes.text(x, y + (0.24 if y > 0 else -0.24), show(vectors[node - 1]), ha="center", va="center")
        axes.set(xlim=(-0.4, 2.2), ylim=(-0.4, 1.4))
    return figure


def _panels(width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    """A figure, its size in inches, and its axes side by side, without ticks and frame."""
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for axes in panels:
        axes.set_axis_off()
    return figure, panels


def write(folder: Path, shape: ModelConfig, photo: NDArray[np.uint8]) -> None:
    """Write the page, its numbers and its pictures, the fields drawn on an RGB photo (S, S, 3) of one shoe.

    What the folder held is gone.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    (part / "analysis.json").write_bytes(json.dumps(results(shape), indent=2, allow_nan=False).encode() + b"\n")
    (part / "index.md").write_bytes(markdown(shape).encode())
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        figures = {"fields": fields_picture(photo), "conv1d": conv1d_picture(), "graph": graph_picture()}
        for name, figure in figures.items():
            FigureCanvasAgg(figure)
            figure.savefig(part / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
