"""Speed of training on an accelerator, in at most eight minutes, with torch, NumPy and pure Python packages only.

    python -m benchmarks.accelerator [--models cnn cnn_channel siamese] [--batch-sizes 12 384] [--seconds 420]
    python -m benchmarks.accelerator --device cpu --quick   # tries the program where there is no accelerator

Every model is trained on made-up photos (112 x 112 pixels, n = 8, augmented as in params.yaml) in float32, in bf16 and
compiled, with mini-batches as in params.yaml and with large ones. Prints JSON, a row for each:

    pairs_per_s         of training
    resident_share      of the speed of one mini-batch that stays on the device
    accuracies_share    of an epoch with its accuracies: those of a fifth as many validation students
    same_bits           whether a second training from the same seed gave the same weights
    loss                mean of the last epoch; whether bf16 and compiled still learn
    peak_mb             memory of the device

Rows that found no time left are listed under `left_out`. Missing packages are replaced (`benchmarks/stand_ins.py`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from benchmarks import stand_ins

stand_ins.install()

from benchmarks.resident_batch import ResidentBatch  # noqa: E402  # after the stand-ins
from shoepair.data import naming  # noqa: E402
from shoepair.data.pair_dataset import InMemoryPairs, PairSource, scale_to_centred_float  # noqa: E402
from shoepair.models import inference, registry  # noqa: E402
from shoepair.models.base import Model  # noqa: E402
from shoepair.models.config import ModelConfig  # noqa: E402
from shoepair.training import loop  # noqa: E402
from shoepair.training.config import AugmentationConfig, TrainConfig  # noqa: E402

NETWORKS = ("cnn", "cnn_channel", "siamese")
WAYS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bf16": {"precision": "bf16"},
    "compiled": {"compiled": True},
    "bf16, compiled": {"precision": "bf16", "compiled": True},
}
EDGE, STUDENTS = 112, 512
QUICK_EDGE, QUICK_STUDENTS = 32, 8
RESERVE = 60  # seconds of the last row: compiling one model takes less
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One row to measure: a model, the pairs of a mini-batch, and the way to train."""

    model: str
    batch_size: int
    way: str

    def config(self, edge: int, device: torch.device) -> TrainConfig:
        """Return the settings, as those of params.yaml."""
        augmentation = AugmentationConfig(mirror_swap=True, color_jitter=1.0, affine=0.5)
        network = ModelConfig(n=8, batch_norm=True, dropout=0.3, edge=edge)
        chosen = TrainConfig(batch_size=self.batch_size, lr=4e-3, augmentation=augmentation, network=network)
        return chosen.model_copy(update={"device": device.type, "negatives": "random", **WAYS[self.way]})


def make_pairs(students: int, edge: int, device: torch.device, seed: int = 1) -> InMemoryPairs:
    """Return all nine pairs of students with made-up photos on a device: a colour for each pair, and noise."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 200, (students, 3, 1, 1, 1, 3), np.uint8)
    photos = rng.integers(0, 56, (students, 3, 2, edge, edge, 3), np.uint8) + colours
    pairs = range(len(naming.PAIR_NUMBERS))
    index = torch.tensor(list(product(range(students), pairs, pairs)))
    same = (index[:, 1] == index[:, 2]).long()
    images = scale_to_centred_float(torch.from_numpy(photos).to(device))
    return InMemoryPairs(images, index, same, torch.zeros(students, dtype=torch.bool))


def train(
    model: Model, source: PairSource, config: TrainConfig, optimizer: torch.optim.Optimizer, epochs: int
) -> tuple[float, float]:
    """Train for some epochs; return the seconds of one and the mean loss of the last."""
    start, losses = time.perf_counter(), [0.0]
    for number in range(1, epochs + 1):
        losses = [step.loss for step in loop.iter_training_steps(model, source, optimizer, config, number)]
    _synchronize(config)
    return (time.perf_counter() - start) / epochs, float(np.mean(losses))


def measure(task: Task, data: InMemoryPairs, valid: InMemoryPairs, config: TrainConfig, epochs: int) -> Row:
    """Train a model twice from the same seed, the first time to warm up, then on a resident batch; score `valid`."""
    device = data.images.device
    torch.compiler.reset()  # after some compilations of a function torch runs it uncompiled, without a word
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    digests = []
    for _ in range(2):
        model = registry.build_model(task.model, config.network, config.seed).to(device)
        optimizer = loop.make_optimizer(model, config)
        seconds, loss = train(model, data, config, optimizer, epochs)
        digests.append(_digest(model))
    peak_mb = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    resident_seconds, _ = train(model, ResidentBatch(data, task.batch_size), config, optimizer, epochs)
    scoring_seconds = []
    for _ in range(2):
        start = time.perf_counter()
        inference.positive_and_negative_accuracy(model, valid, tta=False)
        scoring_seconds.append(time.perf_counter() - start)
    pairs_of_student = loop.PAIRS_OF_STUDENT if model.trains_on_students else 2 * len(naming.PAIR_NUMBERS)
    return {
        "model": task.model,
        "batch_size": task.batch_size,
        "way": task.way,
        "pairs_per_s": round(len(data.images) * pairs_of_student / seconds, 1),
        "resident_share": round(resident_seconds / seconds, 3),
        "accuracies_share": round(scoring_seconds[1] / (seconds + scoring_seconds[1]), 3),
        "same_bits": digests[0] == digests[1],
        "weights": digests[1],
        "loss": round(loss, 4),
        "peak_mb": peak_mb and round(peak_mb),
    }


def _synchronize(config: TrainConfig) -> None:
    if config.device == "cuda":
        torch.cuda.synchronize()


def _digest(model: Model) -> str:
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def run(tasks: Sequence[Task], device: torch.device, seconds: float, *, quick: bool) -> dict[str, Any]:
    """Measure the rows, those of compiled models last, as long as there is time."""
    start = time.perf_counter()
    students, edge = (QUICK_STUDENTS, QUICK_EDGE) if quick else (STUDENTS, EDGE)
    data, valid = make_pairs(students, edge, device), make_pairs(max(1, students // 5), edge, device, seed=2)
    rows, left_out = list[Row](), list[str]()
    for task in sorted(tasks, key=lambda task: list(WAYS).index(task.way)):
        if time.perf_counter() - start > seconds - RESERVE:
            left_out.append(f"{task.model}, {task.batch_size}, {task.way}")
            continue
        rows.append(measure(task, data, valid, task.config(edge, device), epochs=1 if quick else 2))
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - start, 1),
        "rows": rows,
        "left_out": left_out,
    }


def main() -> None:
    """Parse the command line, measure, print JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[12, 384], help="pairs of a mini-batch")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=420, help="no row is begun in the last minute of this time")
    parser.add_argument("--quick", action="store_true", help="few students, small photos: to try the program")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: no CUDA device that this torch can use; `--device cpu --quick` tries the program without one")
    tasks = [Task(*parts) for parts in product(options.models, options.batch_sizes, options.ways)]
    result = run(tasks, torch.device(options.device), options.seconds, quick=options.quick)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
