"""How many parameters the networks have, layer by layer: as formulas, and as counted in the modules themselves.

A convolution with kernel K from c to d channels has K²c weights and one bias for each of its d outputs: (cK² + 1)d.
A linear layer is the same with K = 1. Batch norm has a weight and a bias per channel, and the convolution before it no
bias, which it would take away again; its running mean and variance are buffers, which no gradient changes, so they are
not parameters.

Letters: n channels after the first convolution, K kernel size, S edge of a shoe image in pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from shoepair.models.base import CLASSES, HIDDEN
from shoepair.models.cnn import ASSIGNED, Network
from shoepair.models.config import ModelConfig
from shoepair.reports.analysis.arrays import table

TITLES = {name: model.__name__ for name, model in ASSIGNED.items()}

_KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "norm",
    nn.ReLU: "relu",
    nn.MaxPool2d: "pool",
    nn.Linear: "fc",
    nn.Dropout: "dropout",
}


@dataclass(frozen=True)
class Count:
    """The parameters of one layer, or of all."""

    layer: str  # as the assignment names it: conv1, fc1; or "total"
    formula: str  # in n and K
    value: int  # of the formula
    module: int  # as counted in the layer's tensors


def without_memory(name: str, shape: ModelConfig) -> Network:
    """A network of `ASSIGNED` whose tensors have shapes and no values: quick to build, however large."""
    with torch.device("meta"):
        return ASSIGNED[name](**shape.model_dump())


def named_layers(layers: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a network or of a part of it in order, named by kind and number: conv1, relu1, pool1, conv2."""
    seen: Counter[str] = Counter()
    for layer in layers.modules():
        if type(layer) in _KINDS:
            kind = _KINDS[type(layer)]
            seen[kind] += 1
            yield f"{kind}{seen[kind]}", layer


def formulas(name: str, shape: ModelConfig) -> dict[str, tuple[str, int]]:
    """Formula and its value for each layer that has parameters, of a network of `ASSIGNED`."""
    colours, stacked = ASSIGNED[name].channels, ASSIGNED[name].stacked
    n, taps, side = shape.n, shape.kernel_size**2, shape.edge // 16
    found: dict[str, tuple[str, int]] = {}
    inputs, before = str(colours), colours
    for number, times in enumerate((1, 2, 4, 8), start=1):
        outputs, after = f"{times if times > 1 else ''}n", times * n
        if shape.batch_norm:
            found[f"conv{number}"] = (f"{inputs}K²·{outputs}", before * taps * after)
            found[f"norm{number}"] = (f"2·{outputs}", 2 * after)
        else:
            found[f"conv{number}"] = (f"({inputs}K² + 1)·{outputs}", (before * taps + 1) * after)
        inputs, before = outputs, after
    found["fc1"] = (f"(8n·{_area(stacked, side)} + 1)·{HIDDEN}", (8 * n * stacked * side**2 + 1) * HIDDEN)
    found["fc2"] = (f"({HIDDEN} + 1)·{CLASSES}", (HIDDEN + 1) * CLASSES)
    return found


def total(name: str, shape: ModelConfig) -> tuple[str, int]:
    """Formula and its value for the whole network: the layers' formulas added up and sorted by powers of n."""
    colours, stacked = ASSIGNED[name].channels, ASSIGNED[name].stacked
    n, taps = shape.n, shape.kernel_size**2
    biases = 30 if shape.batch_norm else 15  # 1 + 2 + 4 + 8 channels: a bias each, or two numbers of batch norm
    linear, side = 8 * HIDDEN, shape.edge // 16
    constant = HIDDEN + (HIDDEN + 1) * CLASSES
    formula = f"42K²n² + ({colours}K² + {biases} + {linear}·{_area(stacked, side)})n + {constant}"
    return formula, 42 * taps * n**2 + (colours * taps + biases + linear * stacked * side**2) * n + constant


def _area(stacked: int, side: int) -> str:
    """Units of one map that the first linear layer reads: 2·14² where two shoes are stacked, else 14²."""
    return f"{stacked}·{side}²" if stacked > 1 else f"{side}²"


def count(name: str, shape: ModelConfig) -> list[Count]:
    """Every layer of a network of `ASSIGNED` that has parameters, in order, and the total."""
    layers = named_layers(without_memory(name, shape))
    counted = {layer: sum(each.numel() for each in module.parameters()) for layer, module in layers}
    rows = [Count(layer, *formula, counted[layer]) for layer, formula in formulas(name, shape).items()]
    return [*rows, Count("total", *total(name, shape), sum(counted.values()))]


def chapter(shape: ModelConfig) -> str:
    """The counts of both networks as tables, explained, as Markdown."""
    header = ["layer", "formula", "value", "counted in the module"]
    parts, shares = [], []
    for name, title in TITLES.items():
        counts = {row.layer: row for row in count(name, shape)}
        rows = [[row.layer, row.formula, f"{row.value:,}", f"{row.module:,}"] for row in counts.values()]
        parts.append(f"{title}\n\n{table(header, rows)}")
        shares.append(f"{100 * counts['fc1'].module / counts['total'].module:.1f} % in `{title}`")
    tables = "\n\n".join(parts)
    return f"""
## Parameters at n = {shape.n}, K = {shape.kernel_size}

A convolution from c to d channels has K²c weights and a bias for each of its d outputs: (cK² + 1)·d. Batch norm, where
it is on, has a weight and a bias per channel, and then the convolution has none: batch norm would take it away again.
The last column counts the numbers in the layers' own tensors.

{tables}

Nearly all parameters stand in fc1: {" and ".join(shares)}. `CNNChannel` pays for six
channels instead of three with a few more weights in conv1, and saves half of fc1, since one stack of maps describes
both shoes.

The assignment's published solution, for n = 4 and K = 3, has 12,644 and 6,372 parameters in fc1 (it leaves out the
factor 100; they are 1,254,500 and 627,300) and 112 in `CNNChannel`'s conv1 (they are 220: six channels, not three).
"""
