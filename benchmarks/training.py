"""What pays on this machine: memory layout, bf16 and compiling, in training pairs per second.

    python -m benchmarks.training [--models cnn cnn_channel siamese] [--times 3] [--json FILE]

Every model is trained on the same random photos with the parameters of params.yaml, in turn in each of four ways:
rows first in memory (torch's default; not for `siamese`, whose mini-batches are no pair images), channels last (ours),
that in bf16, that compiled. Medians; the ratio is to ours. What pays goes into `train.precision` and `train.compile`.
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
from shoepair.data.pair_dataset import InMemoryPairs
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
        layout: of the weights in memory, which the mini-batches follow.
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
    """A model whose pair images are rows first in memory, as in the notebook."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, 2) of pair images (B, 3, 2S, S)."""
        logits: torch.Tensor = self.model(x.contiguous())
        return logits


def random_pairs(edge: int) -> InMemoryPairs:
    """Return the standard pairs of `STUDENTS` students with random photos of this edge in pixels."""
    shape = (STUDENTS, 3, 2, edge, edge, 3)
    data = pair_dataset.make_standard_pair_dataset(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
    return replace(data, images=pair_dataset.scale_to_centred_float(data.images))


def epoch_timers(name: str, config: TrainConfig, data: InMemoryPairs) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield for each way a function that trains one epoch and returns its seconds."""
    for way_name, way in WAYS.items():
        if way.layout == torch.contiguous_format and registry.MODEL_CLASSES[name].trains_on_students:
            continue
        settings = {"negatives": "standard", "precision": way.precision, "compiled": way.compiled}
        built, way_config = job.build_model_and_config(name, config.model_copy(update=settings))
        optimizer = loop.make_optimizer(built, way_config)
        model: torch.nn.Module = built
        if way.layout == torch.contiguous_format:
            built.to(memory_format=way.layout)  # type: ignore[call-overload]  # torch's stub lacks this form
            model = RowsFirst(built)

        def run(
            model: torch.nn.Module = model,
            optimizer: torch.optim.Optimizer = optimizer,
            way_config: TrainConfig = way_config,
        ) -> float:
            start = time.perf_counter()
            list(
                loop.iter_training_steps(model, data.to_device(torch.device(way_config.device)), optimizer, way_config)
            )
            return time.perf_counter() - start

        yield way_name, run


def measure(names: list[str], times: int) -> list[Row]:
    """Measure all models in all ways, taken in turn."""
    config = params.load(TrainConfig)
    cpu.configure_torch_cpu(config.threads)
    data = random_pairs(config.network.edge)
    rows = []
    for name in names:
        ways = dict(epoch_timers(name, config, data))
        seconds_of: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(times + 1):  # the first one warms up
            for way, run in ways.items():
                spent = run()
                seconds_of[way] += [spent] if turn else []
        medians = {way: statistics.median(values) for way, values in seconds_of.items()}
        rows += [
            {"model": name, "way": way, "pairs_per_s": round(len(data) / median, 1), "ratio": medians[OURS] / median}
            for way, median in medians.items()
        ]
    return rows


def format_table(rows: list[Row]) -> str:
    """Format the rows as a table."""
    lines = [f"{'model':12} {'way':14} {'pairs/s':>8} {'ratio':>6}"]
    lines += [f"{row['model']:12} {row['way']:14} {row['pairs_per_s']:8.1f} {row['ratio']:6.2f}" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    compare_networks("benchmarks.training", __doc__, measure, format_table)
