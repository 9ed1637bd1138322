"""What pays on this machine: memory layout, bf16 and compiling, in pairs per second of training.

    python -m benchmarks.training [--models cnn cnn_channel siamese] [--times 3] [--json FILE]

Every model is trained on the same synthetic photos with the parameters of params.yaml, in turn with each of four ways:
rows first in memory (torch's default; not for `siamese`, whose batches are no pair images), channels last (ours), that
in bf16, that compiled. Medians; the ratio is to ours. What pays goes into `train.precision` and `train.compile`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.output import Row, compare_networks
from shoepair.data import pair_dataset
from shoepair.data.pair_dataset import PairData
from shoepair.models import registry
from shoepair.runtime import cpu, params
from shoepair.training import job, loop
from shoepair.training.config import Precision, TrainConfig

STUDENTS = 24
OURS = "channels last"


@dataclass(frozen=True)
class Way:
    """One way to train.

    Args:
        layout: of the weights in memory, which the batches follow.
        precision: see `TrainConfig`.
        compiled: likewise.
    """

    layout: torch.memory_format
    precision: Precision = "float32"
    compiled: bool = False


WAYS = {
    "rows first": Way(torch.contiguous_format),
    OURS: Way(torch.channels_last),
    "bf16": Way(torch.channels_last, "bf16"),
    "compiled": Way(torch.channels_last, compiled=True),
}


class RowsFirst(torch.nn.Module):
    """A model whose pair images come rows first, as a notebook makes them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of each pair image: (B, 3, 2S, S) to (B, 2)."""
        logits: torch.Tensor = self.model(x.contiguous())
        return logits


def random_pairs(edge: int) -> PairData:
    """The standard pairs of `STUDENTS` students whose photos, of this edge in pixels, are noise."""
    shape = (STUDENTS, 3, 2, edge, edge, 3)
    data = pair_dataset.from_arrays(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    return replace(data, images=pair_dataset.floats(data.images))


def runs(name: str, chosen: TrainConfig, data: PairData) -> Iterator[tuple[str, Callable[[], float]]]:
    """For each way a function that trains one epoch and returns its seconds."""
    for what, way in WAYS.items():
        if way.layout == torch.contiguous_format and registry.MODELS[name].whole_students:
            continue
        own = {"different": "standard", "precision": way.precision, "compiled": way.compiled}
        built, config = job.build_model(name, chosen.model_copy(update=own))
        optimizer = loop.start(built, config)
        model: torch.nn.Module = built
        if way.layout == torch.contiguous_format:
            model = RowsFirst(built.to(memory_format=way.layout))  # type: ignore[call-overload]  # torch's stub lacks this form

        def run(
            model: torch.nn.Module = model,
            optimizer: torch.optim.Optimizer = optimizer,
            config: TrainConfig = config,
        ) -> float:
            start = time.perf_counter()
            list(loop.epoch(model, data.on(torch.device(config.device)), optimizer, config))
            return time.perf_counter() - start

        yield what, run


def measure(names: list[str], times: int) -> list[Row]:
    """All models, all ways, taken in turn."""
    chosen = params.load(TrainConfig)
    cpu.use_threads(chosen.threads)
    data = random_pairs(chosen.network.edge)
    rows = []
    for name in names:
        ways = dict(runs(name, chosen, data))
        spent: dict[str, list[float]] = {what: [] for what in ways}
        for turn in range(times + 1):  # the first one warms up
            for what, run in ways.items():
                seconds = run()
                spent[what] += [seconds] if turn else []
        medians = {what: statistics.median(each) for what, each in spent.items()}
        rows += [
            {"model": name, "way": what, "pairs_per_s": round(len(data) / took, 1), "ratio": medians[OURS] / took}
            for what, took in medians.items()
        ]
    return rows


def printed(rows: list[Row]) -> str:
    """The table."""
    lines = [f"{'model':12} {'way':14} {'pairs/s':>8} {'ratio':>6}"]
    lines += [f"{row['model']:12} {row['way']:14} {row['pairs_per_s']:8.1f} {row['ratio']:6.2f}" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    compare_networks("benchmarks.training", __doc__, measure, printed)
