"""Receptive fields: which pixels of a shoe image one unit of a layer sees, computed from the layers themselves.

Walking from the image upwards, a layer with kernel k, stride s, padding p and dilation d changes three numbers

    field   r <- r + (k - 1) d j     edge of the square of pixels that one unit sees
    first   f <- f - p j             first pixel that unit 0 sees; below 0 it lies in the padding
    step    j <- j s                 pixels between the fields of neighbouring units

which start at r = 1, f = 0, j = 1. Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields.
ReLU, batch norm (when evaluating) and dropout work unit by unit and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoepair.models.cnn import ASSIGNED, CNN, Network
from shoepair.models.config import EDGE, ModelConfig
from shoepair.reports.analysis.arrays import table
from shoepair.reports.analysis.parameters import TITLES, named_layers, without_memory
from shoepair.runtime.errors import ShoepairError

_UNITWISE = (nn.ReLU, nn.BatchNorm2d, nn.Dropout)
_WINDOWED = (nn.Conv1d, nn.Conv2d, nn.MaxPool1d, nn.MaxPool2d)


@dataclass(frozen=True)
class Field:
    """What the units of one layer see, in pixels along one edge."""

    layer: str  # such as "pool4"; "image" for the pixels themselves
    size: int = 1  # edge of the square that one unit sees
    first: int = 0  # first pixel that unit 0 sees
    step: int = 1  # from one unit's field to the next one's

    def span(self, unit: int, edge: int) -> tuple[int, int]:
        """First pixel of a unit's field and the one after its last, within an image of this edge."""
        start = self.first + unit * self.step
        return max(start, 0), min(start + self.size, edge)


def _edge(layer: nn.Module, name: str) -> int:
    """A layer's kernel, stride, padding or dilation along the first axis; the networks here have square ones."""
    value = getattr(layer, name)
    along = value[0] if isinstance(value, tuple) else value
    if not isinstance(along, int) or (isinstance(value, tuple) and set(value) != {along}):
        message = f"{layer}: {name} {value!r}, expected the same number along both axes"
        raise TypeError(message)
    return along


def after(field: Field, name: str, layer: nn.Module) -> Field:
    """The field behind one more layer."""
    if isinstance(layer, _UNITWISE):
        return Field(name, field.size, field.first, field.step)
    if not isinstance(layer, _WINDOWED):
        message = f"{layer}: neither works unit by unit nor has a window"
        raise TypeError(message)
    numbers = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (_edge(layer, name_of) for name_of in numbers)
    return Field(
        layer=name,
        size=field.size + (kernel - 1) * dilation * field.step,
        first=field.first - padding * field.step,
        step=field.step * stride,
    )


def fields(layers: nn.Module) -> list[Field]:
    """The receptive field after every layer, on the image that the first one sees."""
    found = [Field("image")]
    for name, layer in named_layers(layers):
        found.append(after(found[-1], name, layer))
    return found[1:]


def seen(model: Network) -> Iterator[tuple[str, int, NDArray[np.bool_]]]:
    """The same by experiment: pixels of one shoe image with a gradient from the centre unit of each layer.

    The gradient of the network as it is would hide pixels: ReLU passes none where it is 0, and max pooling passes it
    to the largest of its four inputs only. So ReLU is left out, pooling averages, and all weights are equal and
    positive, whatever the model's are: then every path from a pixel to the unit adds to the gradient, and none
    cancels another.

    Yields:
        Layer, number of its centre unit along either axis, (S, S) pixels seen.
    """
    edge = model.config.edge
    image = torch.zeros(1, model.channels, edge, edge, dtype=torch.float64, requires_grad=True)
    maps = image
    for name, layer in named_layers(model.features):
        maps = _spread(layer, maps)
        unit = maps.shape[-1] // 2
        (gradient,) = torch.autograd.grad(maps[0, :, unit, unit].sum(), image, retain_graph=True)
        yield name, unit, (gradient != 0).any(dim=1)[0].numpy()


def _spread(layer: nn.Module, maps: Tensor) -> Tensor:
    """A layer without what hides pixels; see `seen`."""
    if isinstance(layer, nn.Conv2d):
        weight = torch.full(layer.weight.shape, 1 / layer.weight[0].numel(), dtype=torch.float64)
        return functional.conv2d(maps, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    if isinstance(layer, nn.MaxPool2d):
        return functional.avg_pool2d(maps, layer.kernel_size, layer.stride, layer.padding)
    return maps


def measured(model: Network) -> dict[str, int]:
    """Edge of the square that `seen` finds after each layer, pixels; 0 where the pixels seen are no full square."""
    found = {}
    for name, _, pixels in seen(model):
        edge = int(pixels.any(axis=0).sum())
        found[name] = edge if pixels.sum() == edge**2 else 0
    return found


def stacked(convolutions: int, kernel_size: int) -> int:
    """Receptive field of N stacked 1D convolutions with kernel K and stride 1: 1 + N(K - 1) inputs.

    Raises:
        ShoepairError: fewer than 0 convolutions, or a kernel of less than 1.
    """
    if convolutions < 0:
        found = f"convolutions: {convolutions}, expected 0 or more"
        raise ShoepairError(found)
    if kernel_size < 1:
        found = f"kernel size: {kernel_size}, expected 1 or more"
        raise ShoepairError(found)
    return 1 + convolutions * (kernel_size - 1)


def seam_rows(kernel_size: int, edge: int = EDGE) -> tuple[int, int]:
    """Rows of `CNN`'s last maps whose field holds pixels of both shoes, and all rows.

    The seam lies between the pixel rows `edge` - 1 and `edge`, `edge` being that of a shoe image.
    """
    last = network_fields(kernel_size, edge)[-1]
    rows = CNN.stacked * edge // last.step
    spans = [last.span(unit, CNN.stacked * edge) for unit in range(rows)]
    return sum(start < edge < stop for start, stop in spans), rows


def both(kernel_size: int, edge: int = EDGE) -> dict[str, Network]:
    """The networks, as small as they go: n changes no field."""
    return {name: without_memory(name, ModelConfig(n=1, kernel_size=kernel_size, edge=edge)) for name in ASSIGNED}


def network_fields(kernel_size: int, edge: int = EDGE) -> list[Field]:
    """The fields of either network's layers: both have the same, on one shoe image."""
    return fields(both(kernel_size, edge)["cnn"].features)


def describe(kernel_size: int, edge: int = EDGE) -> str:
    """The fields of the networks' layers as a table."""
    by_gradient = {name: measured(network) for name, network in both(kernel_size, edge).items()}
    rows = [
        [field.layer, str(field.size), str(field.step)]
        + [str(edges[field.layer]) for edges in by_gradient.values()]
        + [f"{100 * field.size / edge:.1f} %", f"{100 * (field.size / edge) ** 2:.2f} %"]
        for field in network_fields(kernel_size, edge)
    ]
    titles = [f"{TITLES[name]}, by gradient" for name in by_gradient]
    return table(["layer", "field", "step", *titles, "of the edge", "of the area"], rows)


def chapter(kernel_size: int, edge: int = EDGE) -> str:
    """The fields of the networks' layers, explained, as Markdown."""
    last = network_fields(kernel_size, edge)[-1]
    seam, rows = seam_rows(kernel_size, edge)
    along, area = f"{100 * last.size / edge:.0f} %", f"{100 * (last.size / edge) ** 2:.0f} %"
    return f"""
## Receptive fields at K = {kernel_size}

What one unit sees of a shoe, in pixels along an edge. Computed layer by layer from kernel k, stride s and padding:
the field grows by (k - 1) times the step, the step by the factor s (Araujo, Norris and Sim, 2019,
https://distill.pub/2019/computing-receptive-fields). Beside it what an experiment finds: the pixels from which a
gradient reaches the centre unit, with ReLU left out and averages for maxima, so that nothing is hidden.

{describe(kernel_size, edge)}

After all four poolings a unit sees {last.size} of {edge} pixels, {along} of the edge and {area} of the area:
a piece of a shoe, never a whole one. For comparing two shoes this means:

- In `CNN` the shoes lie one above the other, and only units near the seam see both: {seam} of the {rows} rows of the
  last maps. Everywhere else the convolutions describe one shoe, and the comparison is left to fc1.
- In `CNNChannel` every unit sees the same {last.size} pixels of both shoes, so all four convolutions can compare.
"""


def chapter_stacked(kernel_size: int) -> str:
    """The fields of 1 to 5 stacked 1D convolutions, and what the published solution says, explained, as Markdown."""
    rows = [[str(n), str(stacked(n, kernel_size)), str(stacked(n - 1, kernel_size))] for n in range(1, 6)]
    return f"""
### Stacked 1D convolutions at K = {kernel_size}

N convolutions with stride 1 see 1 + N(K - 1) inputs: the input itself sees 1, and each convolution adds K - 1. The
published solution counts the input as the first layer, which gives 1 + (N - 1)(K - 1): always one layer too few.

{table(["convolutions N", "1 + N(K - 1)", "published: 1 + (N - 1)(K - 1)"], rows)}
"""
