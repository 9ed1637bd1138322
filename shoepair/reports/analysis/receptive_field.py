"""Receptive fields: the pixels of a shoe image that one unit of a layer sees, computed from the layers.

From the image upwards, a layer with kernel k, stride s, padding p and dilation d changes three numbers

    field   r <- r + (k - 1) d j     edge of the square of pixels that one unit sees
    first   f <- f - p j             first pixel that unit 0 sees; below 0 it lies in the padding
    step    j <- j s                 pixels between the fields of neighbouring units

which start at r = 1, f = 0, j = 1. Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019, https://distill.pub/2019/computing-receptive-fields.
ReLU, batch norm (when evaluating) and dropout work unit by unit and change no field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoepair.models.cnn import CNN, COURSE_MODELS, PairCNN
from shoepair.models.config import DEFAULT_EDGE, ModelConfig
from shoepair.reports.analysis.numerics import aligned_markdown_table
from shoepair.reports.analysis.parameter_counts import MODEL_TITLES, build_meta_network, iter_numbered_layers
from shoepair.runtime.errors import ShoepairError

_UNITWISE_LAYERS = (nn.ReLU, nn.BatchNorm2d, nn.Dropout)
_WINDOWED_LAYERS = (nn.Conv1d, nn.Conv2d, nn.MaxPool1d, nn.MaxPool2d)


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of one layer's units, in pixels along one edge."""

    layer: str  # such as "pool4"; "image" for the pixels themselves
    size: int = 1  # edge of the square that one unit sees
    first: int = 0  # first pixel that unit 0 sees
    step: int = 1  # from one unit's field to the next one's

    def pixel_range(self, unit: int, image_edge: int) -> tuple[int, int]:
        """Return the first pixel of a unit's receptive field and the one after its last, clipped to the image."""
        start = self.first + unit * self.step
        return max(start, 0), min(start + self.size, image_edge)


def _square_setting(layer: nn.Module, name: str) -> int:
    """Return a layer's kernel, stride, padding or dilation, which must be the same along both axes."""
    value = getattr(layer, name)
    number = value[0] if isinstance(value, tuple) else value
    if not isinstance(number, int) or (isinstance(value, tuple) and set(value) != {number}):
        message = f"{layer}: {name} {value!r}, expected the same number along both axes"
        raise TypeError(message)
    return number


def field_after_layer(field: ReceptiveField, layer_name: str, layer: nn.Module) -> ReceptiveField:
    """Return the receptive field after one more layer."""
    if isinstance(layer, _UNITWISE_LAYERS):
        return ReceptiveField(layer_name, field.size, field.first, field.step)
    if not isinstance(layer, _WINDOWED_LAYERS):
        message = f"{layer}: expected a layer that works unit by unit or on windows"
        raise TypeError(message)
    settings = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (_square_setting(layer, setting) for setting in settings)
    return ReceptiveField(
        layer=layer_name,
        size=field.size + (kernel - 1) * dilation * field.step,
        first=field.first - padding * field.step,
        step=field.step * stride,
    )


def compute_receptive_fields(network: nn.Module) -> list[ReceptiveField]:
    """Compute the receptive field after every layer of a network."""
    fields = [ReceptiveField("image")]
    for name, layer in iter_numbered_layers(network):
        fields.append(field_after_layer(fields[-1], name, layer))
    return fields[1:]


def iter_gradient_pixel_masks(network: PairCNN) -> Iterator[tuple[str, int, NDArray[np.bool_]]]:
    """Yield each layer's name, its centre unit and the mask of the pixels with a gradient from it.

    The network's real gradient would hide pixels: ReLU passes none where it is 0, max pooling passes it only to the
    largest of its four inputs. So ReLU is left out, pooling averages, and all weights are equal and positive: every
    path from a pixel to the unit adds to the gradient, and none cancels another.

    Yields:
        Layer, index of its centre unit along both axes, (S, S) mask of pixels.
    """
    edge = network.config.edge
    image = torch.zeros(1, network.in_channels, edge, edge, dtype=torch.float64, requires_grad=True)
    maps = image
    for name, layer in iter_numbered_layers(network.features):
        maps = _apply_without_hiding(layer, maps)
        unit = maps.shape[-1] // 2
        (gradient,) = torch.autograd.grad(maps[0, :, unit, unit].sum(), image, retain_graph=True)
        yield name, unit, (gradient != 0).any(dim=1)[0].numpy()


def _apply_without_hiding(layer: nn.Module, maps: Tensor) -> Tensor:
    """Apply a layer without hiding pixels from the gradient; see `iter_gradient_pixel_masks`."""
    if isinstance(layer, nn.Conv2d):
        weight = torch.full(layer.weight.shape, 1 / layer.weight[0].numel(), dtype=torch.float64)
        return functional.conv2d(maps, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    if isinstance(layer, nn.MaxPool2d):
        return functional.avg_pool2d(maps, layer.kernel_size, layer.stride, layer.padding)
    return maps


def measure_field_size_by_layer(network: PairCNN) -> dict[str, int]:
    """Measure the receptive field of each layer by gradient: edge in pixels, 0 where it is no full square."""
    sizes = {}
    for name, _, pixels in iter_gradient_pixel_masks(network):
        edge = int(pixels.any(axis=0).sum())
        sizes[name] = edge if pixels.sum() == edge**2 else 0
    return sizes


def stacked_conv1d_field_size(convolution_count: int, kernel_size: int) -> int:
    """Return the receptive field of N stacked 1D convolutions with kernel K and stride 1: 1 + N(K - 1).

    Raises:
        ShoepairError: fewer than 0 convolutions, or a kernel smaller than 1.
    """
    if convolution_count < 0:
        message = f"convolutions: {convolution_count}, expected 0 or more"
        raise ShoepairError(message)
    if kernel_size < 1:
        message = f"kernel size: {kernel_size}, expected 1 or more"
        raise ShoepairError(message)
    return 1 + convolution_count * (kernel_size - 1)


def rows_seeing_both_shoes_and_all_rows(kernel_size: int, image_edge: int = DEFAULT_EDGE) -> tuple[int, int]:
    """Count the rows of `CNN`'s last maps that see both shoes; return it with the number of all rows.

    The seam lies between the pixel rows `image_edge` - 1 and `image_edge`.
    """
    last = network_receptive_fields(kernel_size, image_edge)[-1]
    rows = CNN.stacked_shoe_count * image_edge // last.step
    ranges = [last.pixel_range(unit, CNN.stacked_shoe_count * image_edge) for unit in range(rows)]
    return sum(start < image_edge < stop for start, stop in ranges), rows


def minimal_networks_by_name(kernel_size: int, image_edge: int = DEFAULT_EDGE) -> dict[str, PairCNN]:
    """Build both course networks with n = 1 on torch's meta device: n changes no receptive field."""
    return {
        name: build_meta_network(name, ModelConfig(n=1, kernel_size=kernel_size, edge=image_edge))
        for name in COURSE_MODELS
    }


def network_receptive_fields(kernel_size: int, image_edge: int = DEFAULT_EDGE) -> list[ReceptiveField]:
    """Compute the receptive fields of the course networks' layers, which are the same for both."""
    return compute_receptive_fields(minimal_networks_by_name(kernel_size, image_edge)["cnn"].features)


def receptive_fields_as_markdown(kernel_size: int, image_edge: int = DEFAULT_EDGE) -> str:
    """Format the receptive fields of the course networks' layers as a Markdown table."""
    by_gradient = {
        name: measure_field_size_by_layer(network)
        for name, network in minimal_networks_by_name(kernel_size, image_edge).items()
    }
    rows = [
        [field.layer, str(field.size), str(field.step)]
        + [str(edges[field.layer]) for edges in by_gradient.values()]
        + [f"{100 * share:.1f} %", f"{100 * share**2:.2f} %"]
        for field in network_receptive_fields(kernel_size, image_edge)
        for share in [min(field.size / image_edge, 1.0)]
    ]
    titles = [f"{MODEL_TITLES[name]}, by gradient" for name in by_gradient]
    return aligned_markdown_table(["layer", "field", "step", *titles, "of the edge", "of the area"], rows)


def chapter_markdown(kernel_size: int, image_edge: int = DEFAULT_EDGE) -> str:
    """Return the chapter on receptive fields as Markdown."""
    last = network_receptive_fields(kernel_size, image_edge)[-1]
    seam, rows = rows_seeing_both_shoes_and_all_rows(kernel_size, image_edge)
    seen = min(last.size, image_edge)
    share = seen / image_edge
    along, area = f"{100 * share:.0f} %", f"{100 * share**2:.0f} %"
    part = "a part of a shoe, never all of it" if share < 1 else "near the middle, all of a shoe"
    return f"""
## Receptive fields at K = {kernel_size}

The part of a shoe that one unit sees, in pixels along an edge. Computed layer by layer from kernel k, stride s and
padding: the field grows by (k - 1) times the step, the step by the factor s (Araujo, Norris and Sim, 2019,
https://distill.pub/2019/computing-receptive-fields). "By gradient": measured as the pixels with a gradient from the
centre unit, without ReLU and with average instead of max pooling, so that no pixel is hidden.

{receptive_fields_as_markdown(kernel_size, image_edge)}

After all four poolings a unit sees {seen} of {image_edge} pixels, {along} of the edge and {area} of the area:
{part}. For comparing two shoes this means:

- In `CNN` the shoes are stacked vertically, and only units near the seam see both: {seam} of the {rows} rows of the
  last maps. All others describe one shoe, and the comparison is left to fc1.
- In `CNNChannel` every unit sees the same {last.size} pixels of both shoes, so all four convolutions can compare.
"""


def stacked_chapter_markdown(kernel_size: int) -> str:
    """Return the section on stacked 1D convolutions as Markdown."""
    rows = [
        [str(n), str(stacked_conv1d_field_size(n, kernel_size)), str(stacked_conv1d_field_size(n - 1, kernel_size))]
        for n in range(1, 6)
    ]
    return f"""
### Stacked 1D convolutions at K = {kernel_size}

N convolutions with stride 1 see 1 + N(K - 1) inputs: the input itself sees 1, and each convolution adds K - 1. The
published solution counts the input as the first layer: 1 + (N - 1)(K - 1), always one layer too few.

{aligned_markdown_table(["convolutions N", "1 + N(K - 1)", "published: 1 + (N - 1)(K - 1)"], rows)}
"""
