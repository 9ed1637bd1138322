"""The analysis as files: analysis.json for programs, a Markdown page with pictures for people.

    <folder>/analysis.json    format 1: every number of the page, 12 digits
    <folder>/index.md         the page
    <folder>/fields.png  conv1d.png  graph.png

The folder is written beside its final path and renamed. The same config and photo give the same bytes: pictures carry
no version or date, their font comes with matplotlib, and 12 digits hide the last bit, in which exp differs between
processors.
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
from shoepair.reports.analysis import conv1d, gnn, parameter_counts, receptive_field
from shoepair.reports.analysis.numerics import aligned_markdown_table, format_array

FORMAT = 1
PALETTE = ("#f0e442", "#56b4e9", "#e69f00", "#009e73")  # Okabe and Ito's, for the colour-blind
EXAMPLE_GRID = np.array([[1.0, 0, 2, 1], [0, 3, 1, 0], [2, 1, 0, 1]])  # integers: sums without rounding
NODE_POSITIONS = {1: (0.0, 0.5), 2: (1.0, 0.5), 3: (1.8, 1.0), 4: (1.8, 0.0)}  # of the example's nodes in the picture


def compute_analysis(config: ModelConfig) -> dict[str, Any]:
    """Compute every number of the analysis, as a dict ready for JSON."""
    kernel = config.kernel_size
    networks = receptive_field.minimal_networks_by_name(kernel, config.edge)
    seam, rows = receptive_field.rows_seeing_both_shoes_and_all_rows(kernel, config.edge)
    fields = receptive_field.network_receptive_fields(kernel, config.edge)
    by_gradient = {name: receptive_field.measure_field_size_by_layer(network) for name, network in networks.items()}
    document = {
        "format": FORMAT,
        "shape": {"n": config.n, "kernel_size": kernel, "batch_norm": config.batch_norm, "edge": config.edge},
        "parameters": {name: parameter_counts.list_layer_and_total_parameters(name, config) for name in networks},
        "receptive_fields": {"computed": fields, "by_gradient": by_gradient, "rows_seeing_both_shoes": [seam, rows]},
        "stacked_conv1d": [
            {"convolutions": n, "field": receptive_field.stacked_conv1d_field_size(n, kernel)} for n in range(1, 6)
        ],
        "conv1d": _forward_and_backward(conv1d, conv1d.EXAMPLE),
        "conv1d_vectors": _forward_and_backward(conv1d, conv1d.VECTOR_EXAMPLE),
        "gnn": _forward_and_backward(gnn, gnn.EXAMPLE),
        "grid": {"graph": apply_graph_layer_to_grid(), "convolution": apply_convolution_to_grid()},
    }
    return {key: _to_json_types(value) for key, value in document.items()}


def _forward_and_backward(module: Any, problem: Any) -> dict[str, Any]:
    """Return problem, forward and backward pass of a network by hand; `module` is conv1d or gnn."""
    values = module.forward(problem)
    return {"given": problem, "forward": values, "gradients": module.backward(problem, values)}


def _to_json_types(value: Any) -> Any:
    """Convert dataclasses and arrays to JSON types, numbers with 12 digits."""
    if isinstance(value, np.ndarray):
        return _to_json_types(value.tolist())
    if isinstance(value, dict):
        return {key: _to_json_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_types(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return _to_json_types(vars(value)) if hasattr(value, "__dataclass_fields__") else value


def apply_graph_layer_to_grid() -> NDArray[np.float64]:
    """Apply a graph layer with W = [[1]] to the example grid."""
    adjacency = gnn.adjacency_matrix(gnn.grid_edges(*EXAMPLE_GRID.shape), EXAMPLE_GRID.size)
    return gnn.apply_layer(adjacency, EXAMPLE_GRID.reshape(-1, 1), np.ones((1, 1))).h.reshape(EXAMPLE_GRID.shape)


def apply_convolution_to_grid() -> NDArray[np.float64]:
    """Apply a 3x3 convolution of ones with zero padding to the example grid, by torch."""
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    return functional.conv2d(torch.from_numpy(EXAMPLE_GRID)[None, None], kernel, padding=1)[0, 0].numpy()


def page_markdown(config: ModelConfig) -> str:
    """Return the whole analysis as one Markdown page."""
    parts = [
        _introduction(config),
        parameter_counts.chapter_markdown(config),
        receptive_field.chapter_markdown(config.kernel_size, config.edge),
        "![A shoe photo for K = 3 and one for K = 5, each with four nested squares: the receptive field of a unit "
        "near the centre after each pooling.](fields.png)",
        receptive_field.stacked_chapter_markdown(config.kernel_size),
        conv1d.chapter_markdown(),
        "![The example as rows of numbers: x, before ReLU, after ReLU, and the derivatives.](conv1d.png)",
        gnn.chapter_markdown(),
        "![The graph of four nodes with their vectors, before and after the layer.](graph.png)",
        _grid_section(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _introduction(config: ModelConfig) -> str:
    norm = "with" if config.batch_norm else "without"
    return f"""
# Analysis of the networks

n = {config.n} channels after the first convolution, kernel size K = {config.kernel_size}, {norm} batch norm,
{config.edge} pixels along the edge of a shoe image. All numbers are computed when the page is written, and stored in
`analysis.json`. Deviations from the assignment's published solution are noted. For your own numbers see
`shoepair analyze --help`.
"""


def _grid_section() -> str:
    columns = [str(column) for column in range(1, EXAMPLE_GRID.shape[1] + 1)]
    before, after = (
        aligned_markdown_table(columns, [[format_array(v) for v in row] for row in maps])
        for maps in (EXAMPLE_GRID, apply_graph_layer_to_grid())
    )
    difference = format_array(np.abs(apply_graph_layer_to_grid() - apply_convolution_to_grid()).max())
    return f"""
### A convolution is a graph network on a grid

Let the pixels of an image be nodes, each joined to its eight neighbours. The layer is then a 3x3 convolution with
zero padding and nine equal taps: a graph has no directions, so its taps cannot differ. Example with W = [[1]], before

{before}

and after the layer; torch's `conv2d` differs from it by at most {difference}:

{after}
"""


def draw_receptive_fields_figure(photo: NDArray[np.uint8]) -> Figure:
    """Draw the receptive fields after each pooling, for both kernel sizes, on a shoe photo (S, S, 3)."""
    figure, panels = _panels(9.6, 5.2, len(KERNEL_SIZES))
    for axes, kernel in zip(panels, KERNEL_SIZES, strict=True):
        axes.imshow(photo, interpolation="nearest")
        axes.set_title(f"K = {kernel}")
        fields = receptive_field.network_receptive_fields(kernel, len(photo))
        for field, colour in zip([f for f in fields if f.layer.startswith("pool")], PALETTE, strict=True):
            start, stop = field.pixel_range(len(photo) // field.step // 2, len(photo))
            square = Rectangle((start - 0.5, start - 0.5), stop - start, stop - start, fill=False, ec=colour, lw=2)
            square.set_path_effects([withStroke(linewidth=3.5, foreground="black")])
            square.set_label(f"{field.layer}: {field.size} pixels")
            axes.add_patch(square)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)
    return figure


def draw_conv1d_figure() -> Figure:
    """Draw the 1D convolution example: input, hidden units and derivatives as rows of cells."""
    values = conv1d.forward(conv1d.EXAMPLE)
    gradients = conv1d.backward(conv1d.EXAMPLE, values)
    rows: dict[str, NDArray[np.float64]] = {
        "x": conv1d.EXAMPLE.x,
        "w1 · window + b1": values.pre,
        "ReLU": values.hidden,
        "derivative of the\nloss, before ReLU": gradients.pre,
    }
    figure, (axes,) = _panels(8.4, 4.2, 1)
    for row, (name, numbers) in enumerate(rows.items()):
        axes.text(-0.9, -1.5 * row, name, ha="right", va="center")
        for x, number in enumerate(numbers, start=0 if row == 0 else 1):  # hidden units below their window
            colour = PALETTE[1] if number > 0 and row else "white"
            axes.add_patch(Rectangle((x - 0.45, -1.5 * row - 0.4), 0.9, 0.8, fc=colour, ec="black"))
            axes.text(x, -1.5 * row, format_array(number, 3), ha="center", va="center")
    for x in range(3):  # the first window
        axes.plot([x, 1], [-0.4, -1.1], color="grey", lw=1)
    axes.set(xlim=(-4.2, 6.6), ylim=(-5.1, 0.6))
    return figure


def draw_gnn_figure() -> Figure:
    """Draw the graph example: nodes with their vectors before and after the layer."""
    layer = gnn.forward(gnn.EXAMPLE).layers[0]
    figure, (before, after) = _panels(8.4, 3.2, 2)
    for axes, title, vectors in ((before, "before", gnn.EXAMPLE.h), (after, "after the layer", layer.h)):
        axes.set_title(title)
        for one, other in gnn.EXAMPLE.edges:
            axes.plot(*zip(NODE_POSITIONS[one], NODE_POSITIONS[other], strict=True), color="grey", lw=1.5, zorder=1)
        for node, (x, y) in NODE_POSITIONS.items():
            axes.scatter(x, y, s=420, color=PALETTE[1], edgecolors="black", zorder=2)
            axes.text(x, y, str(node), ha="center", va="center")
            axes.text(x, y + (0.24 if y > 0 else -0.24), format_array(vectors[node - 1]), ha="center", va="center")
        axes.set(xlim=(-0.4, 2.2), ylim=(-0.4, 1.4))
    return figure


def _panels(width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure, sized in inches, and its axes side by side, without ticks and frame."""
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for axes in panels:
        axes.set_axis_off()
    return figure, panels


def replace_analysis_folder(folder: Path, config: ModelConfig, photo: NDArray[np.uint8]) -> None:
    """Write the analysis page, its JSON and its pictures; replaces the folder.

    `photo` is an RGB photo (S, S, 3) of one shoe, the background of the receptive fields.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed run
    part.mkdir(parents=True)
    (part / "analysis.json").write_bytes(
        json.dumps(compute_analysis(config), indent=2, allow_nan=False).encode() + b"\n"
    )
    (part / "index.md").write_bytes(page_markdown(config).encode())
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        figures = {
            "fields": draw_receptive_fields_figure(photo),
            "conv1d": draw_conv1d_figure(),
            "graph": draw_gnn_figure(),
        }
        for name, figure in figures.items():
            FigureCanvasAgg(figure)
            figure.savefig(part / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
