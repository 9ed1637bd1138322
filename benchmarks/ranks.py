"""What several ranks on one machine bring, in pairs per second of training, and what they send.

    python -m benchmarks.ranks [--models cnn cnn_channel siamese] [--times 3] [--json FILE]

Every model is trained on the same synthetic photos with the parameters of params.yaml: by one process with one and two
threads, and by two ranks of one thread each, which start like `torchrun` does; medians of epochs. The ratio is to one
process with one thread. `bytes_per_step` are the gradients and the loss that each rank gives into the sum, and the
sums of batch normalisation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from benchmarks.output import tell
from shoepair import devices, models, pairing, params, ranks, recipes, training

STUDENTS = 24
WAYS = {"1 thread": (1, 1), "2 threads": (1, 2), "2 ranks": (2, 1)}  # ranks, threads
Row = dict[str, Any]


def epochs(name: str, threads: int, times: int) -> tuple[list[float], int]:
    """Seconds of each epoch, and the bytes that a rank gives into sums in one step."""
    with ranks.joined():
        chosen = params.load(params.Train)
        devices.use_threads(threads)
        shape = (STUDENTS, 3, 2, chosen.edge, chosen.edge, 3)
        data = pairing.from_arrays(np.random.default_rng(1).integers(0, 256, shape, np.uint8))
        data = replace(data, images=pairing.floats(data.images))
        model = models.build(name, recipes.shape_of(chosen), chosen.seed)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
        optimizer = torch.optim.Adam(model.parameters(), lr=chosen.lr)
        recipe = replace(recipes.of(chosen), different="standard")
        spent, sent, steps = [], 0, 0
        summed = ranks.summed

        def counted(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal sent
            sent += tensor.nbytes
            return summed(tensor)

        ranks.summed = counted
        for _ in range(times + 1):  # the first one warms up
            start = time.perf_counter()
            steps += len(list(training.epoch(model, data, optimizer, recipe)))
            spent.append(time.perf_counter() - start)
        ranks.summed = summed
        return spent[1:], sent // steps


def measure(names: list[str], times: int) -> list[Row]:
    """All models, all ways, one after the other, each in processes of its own."""
    rows = []
    for name in names:
        medians: dict[str, float] = {}
        for way, (count, threads) in WAYS.items():
            config = LaunchConfig(1, 1, count, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", max_restarts=0)
            config.run_id, config.local_addr = f"{name}-{count}-{threads}", "127.0.0.1"
            spent, sent = elastic_launch(config, epochs)(name, threads, times)[0]
            medians[way] = statistics.median(spent)
            rows.append(
                {
                    "model": name,
                    "way": way,
                    "pairs_per_s": round(6 * STUDENTS / medians[way], 1),
                    "ratio": round(medians["1 thread"] / medians[way], 2),
                    "bytes_per_step": sent,
                }
            )
    return rows


def printed(rows: list[Row]) -> str:
    """The table."""
    lines = [f"{'model':12} {'way':10} {'pairs/s':>8} {'ratio':>6} {'bytes a step':>13}"]
    for row in rows:
        figures = f"{row['pairs_per_s']:8.1f} {row['ratio']:6.2f} {row['bytes_per_step']:13,}"
        lines.append(f"{row['model']:12} {row['way']:10} {figures}")
    return "\n".join(lines)


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__)
    parser.add_argument("--models", nargs="+", default=["cnn", "cnn_channel", "siamese"])
    parser.add_argument("--times", type=int, default=3, help="epochs behind every median")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    given = parser.parse_args()
    rows = measure(given.models, given.times)
    tell(rows, printed(rows), given.json)


if __name__ == "__main__":
    main()
