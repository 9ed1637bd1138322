"""What several ranks on one machine bring, in training pairs per second, and what they send.

    python -m benchmarks.ranks [--models cnn cnn_channel siamese] [--times 3] [--json FILE]

Every model is trained on the same random photos with the parameters of params.yaml: by one process with one and two
threads, by two ranks of one thread each, started as by `torchrun`, and by one and two ranks on a running Ray cluster
on this machine; medians of epochs. The ratio is to one process with one thread. `start_s` are the seconds of
everything but the epochs: processes, imports, photos. `bytes_per_step` are the gradients and the loss that each rank
sums in one step, and the sums of batch normalisation.
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
from shoepair.runtime.parallel.ray_cluster import ADDRESS_VARIABLE
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig


@dataclass(frozen=True)
class Way:
    """One way to train.

    Args:
        ranks: number of processes.
        threads: of each process.
        ray: whether they run on a Ray cluster.
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


def time_epochs(name: str, threads: int, times: int) -> tuple[list[float], int]:
    """Return the seconds of each epoch, the first to warm up, and the bytes a rank sums in one step."""
    with distributed.join_process_group():
        cpu.configure_torch_cpu(threads)
        model, config = job.build_model_and_config(name, params.load(TrainConfig))
        config = config.model_copy(update={"negatives": "standard"})
        data = random_pairs(config.network.edge)
        optimizer = loop.make_optimizer(model, config)
        seconds, bytes_sent, steps = [], 0, 0
        all_reduce = distributed.all_reduce_sum_in_place

        def counting(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal bytes_sent
            bytes_sent += tensor.nbytes
            return all_reduce(tensor)

        distributed.all_reduce_sum_in_place = counting
        for _ in range(times + 1):
            start = time.perf_counter()
            steps += len(list(loop.iter_training_steps(model, data, optimizer, config)))
            seconds.append(time.perf_counter() - start)
        distributed.all_reduce_sum_in_place = all_reduce
        return seconds, bytes_sent // steps


def measure(names: list[str], times: int) -> list[Row]:
    """Measure all models in all ways, one after the other, each in other processes."""
    rows = []
    for name in names:
        medians: dict[str, float] = {}
        for way_name, way in WAYS.items():
            train = partial(time_epochs, name, way.threads, times)
            run_ranks = launch.run_ranks_on_ray if way.ray else launch.run_ranks_locally
            with ray_cluster(way.ranks) if way.ray else nullcontext():
                start = time.perf_counter()
                seconds, sent = run_ranks(train, name, way.ranks, way.threads, use_gpu=False)
                total = time.perf_counter() - start
            medians[way_name] = statistics.median(seconds[1:])
            rows.append(
                {
                    "model": name,
                    "way": way_name,
                    "pairs_per_s": round(6 * STUDENTS / medians[way_name], 1),
                    "ratio": round(medians[ALONE] / medians[way_name], 2),
                    "start_s": round(total - sum(seconds), 1),
                    "bytes_per_step": sent,
                }
            )
    return rows


@contextmanager
def ray_cluster(workers: int) -> Iterator[None]:
    """Context manager: this process works on a new Ray cluster."""
    import ray

    before = dict(os.environ)
    with cluster(workers) as address:
        os.environ.update(OPEN | {ADDRESS_VARIABLE: address})
        try:
            yield
        finally:
            ray.shutdown()
            os.environ.clear()
            os.environ.update(before)


def format_table(rows: list[Row]) -> str:
    """Format the rows as a table."""
    lines = [f"{'model':12} {'way':13} {'pairs/s':>8} {'ratio':>6} {'start, s':>9} {'bytes a step':>13}"]
    for row in rows:
        numbers = f"{row['pairs_per_s']:8.1f} {row['ratio']:6.2f} {row['start_s']:9.1f} {row['bytes_per_step']:13,}"
        lines.append(f"{row['model']:12} {row['way']:13} {numbers}")
    return "\n".join(lines)


if __name__ == "__main__":
    compare_networks("benchmarks.ranks", __doc__, measure, format_table)
