"""Speed, memory and bytes of the pipeline's parts, as ratios to a reference measured in the same run.

    python -m benchmarks.pipeline PHOTOS [--notebook notebook_baseline.py] [--json FILE]

PHOTOS is a class folder with train/, test_m/, test_w/. Machines are noisy: only the ratios mean anything, and each is
the median of repetitions that alternate between the two sides.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.output import tell
from shoepair.data import pair_dataset, store
from shoepair.ingestion import decode_all, rules, scan
from shoepair.models import registry
from shoepair.runtime import cpu, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.training import job, loop, samplers
from shoepair.training.config import TrainConfig
from shoepair.training.notebook import train_model

EDGE = registry.EDGE
BATCH = 32
THREADS = 2
Row = dict[str, Any]


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def side_by_side(ours: Callable[[], object], reference: Callable[[], object], times: int) -> tuple[float, float]:
    """Median seconds of two things, run in turn, after one run of each that does not count."""
    ours()
    reference()
    pairs = [(seconds(ours), seconds(reference)) for _ in range(times)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def row(what: str, unit: str, ours: float, reference: float, target: str, *, met: bool) -> Row:
    """One line of the table; the ratio is ours to the reference."""
    numbers = {"ours": round(ours, 3), "reference": round(reference, 3), "ratio": round(ours / reference, 3)}
    return {"what": what, "unit": unit, **numbers, "target": target, "met": met}


def decode_bare(paths: list[Path]) -> None:
    """What any reader must do at least: Pillow's decoding, one file after the other."""
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image)


def data_stages(folder: Path, times: int) -> list[Row]:
    """Photos per second of ingest, validate, normalize beside bare decoding; bytes stored per pixel value."""
    rows = scan.scan(folder)
    accepted = rules.check("bench", folder, rows, EDGE).accepted
    listed = storage.listed(folder, accepted)
    paths = [photo.path for photo in listed]
    students = list(accepted["student"].unique())
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "bench.h5"

        def normalize() -> None:
            store.write(path, students, decode_all.students(decode_all.read_all(listed, EDGE), EDGE), EDGE)

        works: dict[str, Callable[[], object]] = {
            "ingest": lambda: scan.scan(folder),
            "validate": lambda: rules.check("bench", folder, rows, EDGE),
            "normalize": normalize,
        }
        measured = []
        for name, work in works.items():
            ours, bare = (len(paths) / spent for spent in side_by_side(work, lambda: decode_bare(paths), times))
            measured.append(row(name, "photos/s", ours, bare, "0.8 of bare decoding", met=ours >= 0.8 * bare))
        stored, values = path.stat().st_size, len(paths) * EDGE * EDGE * 3
    return [*measured, row("stored", "bytes", stored, values, "1.02 a pixel value", met=stored <= 1.02 * values)]


def training_stage(data: NDArray[np.uint8], times: int) -> list[Row]:
    """Pairs per second of training steps, batches gathered as the pipeline does, beside one resident batch."""
    cpu.use_threads(THREADS)
    pairs = pair_dataset.from_arrays(data)
    return [_training_of(name, pairs, times) for name in ("cnn", "cnn_channel", "siamese")]


def _training_of(name: str, data: pair_dataset.PairData, times: int) -> Row:
    model, config = job.build_model(name, TrainConfig(batch_size=BATCH, device="cpu"))
    optimizer = loop.start(model, config)
    resident = Resident(data)

    def run(source: pair_dataset.Pairing) -> None:
        list(loop.epoch(model, source, optimizer, config))

    spent = side_by_side(lambda: run(data), lambda: run(resident), times)
    ours, bare = (len(data) / each for each in spent)
    return row(f"train {name}", "pairs/s", ours, bare, "0.95 of a resident batch", met=ours >= 0.95 * bare)


class Resident:
    """The same batch again and again: what training would cost if data cost nothing."""

    def __init__(self, data: pair_dataset.PairData) -> None:
        self.shoes, self.same, self.synthetic = data.shoes, data.same, data.synthetic
        (self._pairs,) = data.pairs([torch.arange(min(BATCH, len(data)))])
        (self._students,) = data.students([torch.arange(min(BATCH // samplers.STUDENT, len(data.images)))])

    def pairs(self, plan: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The first so many pairs of the resident batch."""
        return (self._pairs[: len(which)] for which in plan)

    def students(self, plan: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The first so many students of the resident batch."""
        return (self._students[: len(which)] for which in plan)


def read(folder: Path, among: str | None = None) -> NDArray[np.uint8]:
    """The photos of a class, or of one of its sets: (N, 3, 2, S, S, 3) bytes."""
    accepted: pd.DataFrame = rules.accept(scan.scan(folder))
    kept = accepted if among is None else accepted[accepted["set"] == among]
    decoded = decode_all.read_all(storage.listed(folder, kept), EDGE)
    return np.stack(list(decode_all.students(decoded, EDGE)))


def whole_training(folder: Path, name: str, epochs: int) -> None:
    """Train as the stage does, accuracies after every epoch included; print what it took, as JSON. Runs alone."""
    cpu.use_threads(THREADS)
    data = read(folder, "train")
    valid = max(1, len(data) // 5)
    model, config = job.build_model(name, TrainConfig(epochs=epochs, batch_size=BATCH, device="cpu"))
    spent = seconds(lambda: train_model(model, data[valid:], data[:valid], config=config))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": spent, "peak_mb": peak, "students": len(data), "valid": valid}))


def alone(words: list[str]) -> dict[str, Any]:
    """Run a Python program in a process of its own and read the JSON of its last line."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def memory_and_notebook(folder: Path, notebook: Path | None, epochs: int) -> list[Row]:
    """Peak memory of training both models, and the notebook way beside it where its program is given."""
    measured = []
    for name, arch in (("cnn", "cnn"), ("cnn_channel", "channel")):
        ours = alone(["-m", "benchmarks.pipeline", str(folder), "--only-train", name, "--epochs", str(epochs)])
        limit = 1536.0
        met = ours["peak_mb"] < limit
        measured.append(row(f"train {name}: peak memory", "MB", ours["peak_mb"], limit, "under 1.5 GB", met=met))
        if notebook:
            words = ["--arch", arch, "--fixed", "--epochs", str(epochs), "--batch", str(BATCH)]
            words += ["--students", str(ours["students"]), "--valid", str(ours["valid"])]
            other = alone([str(notebook), str(folder / "train"), *words])
            peak, spent = float(other["peak_rss_mb"]), float(other["train_s"] + other["eval_s"])
            what = f"train {name} beside the notebook"
            measured.append(row(f"{what}: peak", "MB", ours["peak_mb"], peak, "-", met=True))
            measured.append(row(f"{what}: {epochs} epochs", "s", ours["seconds"], spent, "-", met=True))
    return measured


def printed(measured: list[Row]) -> str:
    """The table."""
    lines = [f"{'what':38} {'unit':9} {'ours':>11} {'reference':>12} {'ratio':>6}  target"]
    for each in measured:
        numbers = f"{each['ours']:11,.1f} {each['reference']:12,.1f} {each['ratio']:6.2f}"
        verdict = "" if each["target"] == "-" else " (met)" if each["met"] else " (missed)"
        lines.append(f"{each['what']:38} {each['unit']:9} {numbers}  {each['target']}{verdict}")
    return "\n".join(lines)


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("photos", type=Path, nargs="?", default=Path("data/raw/drawn"))
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    parser.add_argument("--notebook", type=Path, help="notebook_baseline.py, measured beside ours")
    parser.add_argument("--epochs", type=int, default=2, help="of the whole trainings")
    parser.add_argument("--times", type=int, default=3, help="repetitions behind every median")
    parser.add_argument("--only-train", metavar="MODEL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only_train:
        whole_training(given.photos, given.only_train, given.epochs)
        return
    try:
        measured = data_stages(given.photos, given.times) + training_stage(read(given.photos)[:40], given.times)
        measured += memory_and_notebook(given.photos, given.notebook, given.epochs)
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    tell(measured, printed(measured), given.json)


if __name__ == "__main__":
    main()
