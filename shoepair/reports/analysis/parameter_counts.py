"""Parameter counts of the networks, layer by layer: by formula, and as counted in the modules.

A convolution with kernel K from c to d channels has K²c weights and one bias for each of its d outputs: (cK² + 1)d.
A linear layer is the same with K = 1. Batch norm has a weight and a bias per channel; the convolution before it has
no bias, which batch norm would subtract again. Running mean and variance are buffers without gradient, not parameters.

Letters: n channels after the first convolution, K kernel size, S edge of a shoe image in pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from shoepair.models.base import HIDDEN_UNITS, NUM_CLASSES
from shoepair.models.cnn import COURSE_MODELS, PairCNN
from shoepair.models.config import ModelConfig
from shoepair.reports.analysis.numerics import aligned_markdown_table

MODEL_TITLES = {name: model.__name__ for name, model in COURSE_MODELS.items()}

_LAYER_PREFIXES: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "norm",
    nn.ReLU: "relu",
    nn.MaxPool2d: "pool",
    nn.Linear: "fc",
    nn.Dropout: "dropout",
}


@dataclass(frozen=True)
class LayerParameters:
    """The parameters of one layer, or of the whole network: formula, its value, and the counted number."""

    layer: str  # as the assignment names it: conv1, fc1; or "total"
    formula: str  # in n and K
    value: int  # of the formula
    module: int  # as counted in the layer's tensors


def build_meta_network(model_name: str, config: ModelConfig) -> PairCNN:
    """Build a network of `COURSE_MODELS` on torch's meta device: tensors have shapes but no values."""
    with torch.device("meta"):
        return COURSE_MODELS[model_name](**config.model_dump())


def iter_numbered_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a network with their names, by type and number: conv1, relu1, pool1, conv2."""
    counts: Counter[str] = Counter()
    for layer in network.modules():
        if type(layer) in _LAYER_PREFIXES:
            prefix = _LAYER_PREFIXES[type(layer)]
            counts[prefix] += 1
            yield f"{prefix}{counts[prefix]}", layer


def formula_and_count_by_layer(model_name: str, config: ModelConfig) -> dict[str, tuple[str, int]]:
    """Return the parameter formula and its value for each layer that has parameters."""
    colours, stacked = COURSE_MODELS[model_name].in_channels, COURSE_MODELS[model_name].stacked_shoe_count
    n, taps = config.n, config.kernel_size**2
    formulas: dict[str, tuple[str, int]] = {}
    inputs, before = str(colours), colours
    for number, times in enumerate((1, 2, 4, 8), start=1):
        outputs, after = f"{times if times > 1 else ''}n", times * n
        if config.batch_norm:
            formulas[f"conv{number}"] = (f"{inputs}K²·{outputs}", before * taps * after)
            formulas[f"norm{number}"] = (f"2·{outputs}", 2 * after)
        else:
            formulas[f"conv{number}"] = (f"({inputs}K² + 1)·{outputs}", (before * taps + 1) * after)
        inputs, before = outputs, after
    area_formula, area = _area(stacked, config.edge)
    formulas["fc1"] = (f"(8n·{area_formula} + 1)·{HIDDEN_UNITS}", (8 * n * area + 1) * HIDDEN_UNITS)
    formulas["fc2"] = (f"({HIDDEN_UNITS} + 1)·{NUM_CLASSES}", (HIDDEN_UNITS + 1) * NUM_CLASSES)
    return formulas


def total_formula_and_count(model_name: str, config: ModelConfig) -> tuple[str, int]:
    """Return the parameter formula of the whole network, by powers of n, and its value."""
    colours, stacked = COURSE_MODELS[model_name].in_channels, COURSE_MODELS[model_name].stacked_shoe_count
    n, taps = config.n, config.kernel_size**2
    biases = 30 if config.batch_norm else 15  # (1 + 2 + 4 + 8)n channels with a bias, or batch norm's two
    linear, (area_formula, area) = 8 * HIDDEN_UNITS, _area(stacked, config.edge)
    constant = HIDDEN_UNITS + (HIDDEN_UNITS + 1) * NUM_CLASSES
    formula = f"42K²n² + ({colours}K² + {biases} + {linear}·{area_formula})n + {constant}"
    return formula, 42 * taps * n**2 + (colours * taps + biases + linear * area) * n + constant


def _area(stacked: int, edge: int) -> tuple[str, int]:
    """Return formula and number of the units per map that fc1 reads: 2·14² where two shoes are stacked, else 14²."""
    rows, columns = stacked * edge // 16, edge // 16
    if rows % columns:  # of an edge that is no multiple of 16
        return f"{rows}·{columns}", rows * columns
    return f"{stacked}·{columns}²" if stacked > 1 else f"{columns}²", rows * columns


def list_layer_and_total_parameters(model_name: str, config: ModelConfig) -> list[LayerParameters]:
    """List every layer's parameters by formula and as counted, then the total."""
    layers = iter_numbered_layers(build_meta_network(model_name, config))
    counted = {name: sum(tensor.numel() for tensor in layer.parameters()) for name, layer in layers}
    rows = [
        LayerParameters(name, *formula, counted[name])
        for name, formula in formula_and_count_by_layer(model_name, config).items()
    ]
    return [*rows, LayerParameters("total", *total_formula_and_count(model_name, config), sum(counted.values()))]


def chapter_markdown(config: ModelConfig) -> str:
    """Return the chapter on parameter counts as Markdown."""
    header = ["layer", "formula", "value", "counted in the module"]
    parts, shares = [], []
    for name, title in MODEL_TITLES.items():
        counts = {row.layer: row for row in list_layer_and_total_parameters(name, config)}
        rows = [[row.layer, row.formula, f"{row.value:,}", f"{row.module:,}"] for row in counts.values()]
        parts.append(f"{title}\n\n{aligned_markdown_table(header, rows)}")
        shares.append(f"{100 * counts['fc1'].module / counts['total'].module:.1f} % in `{title}`")
    tables = "\n\n".join(parts)
    return f"""
## Parameters at n = {config.n}, K = {config.kernel_size}

A convolution from c to d channels has K²c weights and a bias for each of its d outputs: (cK² + 1)·d. Batch norm, if
on, has a weight and a bias per channel; the convolution then has no bias, which batch norm would subtract again.
The last column counts the numbers in the layers' tensors.

{tables}

Nearly all parameters are in fc1: {" and ".join(shares)}. `CNNChannel` needs a few
more weights in conv1 for six channels instead of three, and half as many in fc1, since one stack of maps describes
both shoes.

The assignment's published solution, for n = 4 and K = 3, has 12,644 and 6,372 parameters in fc1 (it leaves out the
factor 100; they are 1,254,500 and 627,300) and 112 in `CNNChannel`'s conv1 (they are 220: six channels, not three).
"""
