"""What several ranks on one machine bring, in pairs per second of training, and what they send.

    python -m benchmarks.ranks [--models cnn cnn_channel siamese] [--times 3] [--json FILE]

Every model is trained on the same synthetic photos with the parameters of params.yaml: by one process with one and two
threads, by two ranks of one thread each, which start like `torchrun` does, and by one and two ranks on a Ray cluster
that is waiting on this machine; medians of epochs. The ratio is to one process with one thread.
`start_s` are the seconds that everything but the epochs took: processes, imports, photos. `bytes_per_step` are the
gradients and the loss that each rank gives into the sum, and the sums of batch normalisation.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.engine import OPEN, cluster
from benchmarks.output import Row, compare_networks
from benchmarks.training import STUDENTS, random_pairs
from shoepair.models import distributed
from shoepair.runtime import cpu, params
from shoepair.runtime.parallel import launch
from shoepair.runtime.parallel.ray_cluster import ADDRESS
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig


@dataclass(frozen=True)
class Way:
    """Who trains.

    Args:
        ranks: processes.
        threads: of each.
        ray: whether they are on a Ray cluster.
    """

    ranks: int
    threads: int
    ray: bool = False


ALONE = "1 thread"
WAYS = {
    ALONE: Way(1, 1),
    "2 threads": Way(1, 2),
    "2 ranks": Way(2, 1),
    "Ray, 1 rank": Way(1, 1, ray=True),
    "Ray, 2 ranks": Way(2, 1, ray=True),
}


def epochs(name: str, threads: int, times: int) -> tuple[list[float], int]:
    """Seconds of each epoch, the first of which warms up, and the bytes that a rank gives into sums in one step."""
    with distributed.joined():
        cpu.use_threads(threads)
        model, config = job.build_model(name, params.load(TrainConfig))
        config = config.model_copy(update={"different": "standard"})
        data = random_pairs(config.network.edge)
        optimizer = loop.start(model, config)
        spent, sent, steps = [], 0, 0
        summed = distributed.summed

        def counted(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal sent
            sent += tensor.nbytes
            return summed(tensor)

        distributed.summed = counted
        for _ in range(times + 1):
            start = time.perf_counter()
            steps += len(list(loop.epoch(model, data, optimizer, config)))
            spent.append(time.perf_counter() - start)
        distributed.summed = summed
        return spent, sent // steps


def measure(names: list[str], times: int) -> list[Row]:
    """All models, all ways, one after the other, each in processes of its own."""
    rows = []
    for name in names:
        medians: dict[str, float] = {}
        for what, way in WAYS.items():
            work, together = partial(epochs, name, way.threads, times), launch.on_ray if way.ray else launch.here
            with waiting(way.ranks) if way.ray else nullcontext():
                start = time.perf_counter()
                spent, sent = together(work, name, way.ranks, way.threads, gpus=False)
                took = time.perf_counter() - start
            medians[what] = statistics.median(spent[1:])
            rows.append(
                {
                    "model": name,
                    "way": what,
                    "pairs_per_s": round(6 * STUDENTS / medians[what], 1),
                    "ratio": round(medians[ALONE] / medians[what], 2),
                    "start_s": round(took - sum(spent), 1),
                    "bytes_per_step": sent,
                }
            )
    return rows


@contextmanager
def waiting(workers: int) -> Iterator[None]:
    """A Ray cluster that this process works on."""
    import ray

    before = dict(os.environ)
    with cluster(workers) as address:
        os.environ.update(OPEN | {ADDRESS: address})
        try:
            yield
        finally:
            ray.shutdown()
            os.environ.clear()
            os.environ.update(before)


def printed(rows: list[Row]) -> str:
    """The table."""
    lines = [f"{'model':12} {'way':13} {'pairs/s':>8} {'ratio':>6} {'start, s':>9} {'bytes a step':>13}"]
    for row in rows:
        figures = f"{row['pairs_per_s']:8.1f} {row['ratio']:6.2f} {row['start_s']:9.1f} {row['bytes_per_step']:13,}"
        lines.append(f"{row['model']:12} {row['way']:13} {figures}")
    return "\n".join(lines)


if __name__ == "__main__":
    compare_networks("benchmarks.ranks", __doc__, measure, printed)
