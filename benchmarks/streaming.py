"""Training on a class larger than memory: its memory, and its speed compared with a class in memory.

    python -m benchmarks.streaming [--gb 20] [--model cnn_channel] [--folder DIR] [--json FILE]

Stores of random photos are written to a temporary folder (in DIR, which needs the space) and one epoch is trained on
all of them, streamed, with the parameters of params.yaml. Memory is the maximum of all processes of the training
together, read once a second (PSS, which counts shared pages once). For comparison the same epoch on one store that is
held in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.output import print_results
from benchmarks.watching import run_measured
from shoepair.data import pairs, store, streaming
from shoepair.models import registry
from shoepair.runtime import cpu, params, paths
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig

STORE_STUDENTS = 500  # 0.45 GB
EDGE = 224
STUDENT_BYTES = 18 * EDGE**2
Row = dict[str, Any]


def random_photos(students: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield random photos of some students, (3, 2, S, S, 3) bytes each: they cost no less than shoes."""
    rng = np.random.default_rng(seed)
    for _ in range(students):
        yield rng.integers(0, 256, (3, 2, EDGE, EDGE, 3), np.uint8)


def write_class(students: int) -> pd.DataFrame:
    """Write the stores of a class to the current directory; return its `Pairs` rows."""
    rows = []
    for start in range(0, students, STORE_STUDENTS):
        names = [f"u{number:06}" for number in range(start, min(start + STORE_STUDENTS, students))]
        batch = f"batch{start // STORE_STUDENTS:03}"
        store.write_store(paths.store_path(batch), names, random_photos(len(names), start), EDGE)
        rows.append(pd.DataFrame({"split": "train", "batch": batch, "student": names, "row": range(len(names))}))
    return pairs.build_pair_rows(pd.concat(rows, ignore_index=True))


def train(model: str, students: int, memory_mb: int) -> Row:
    """Train one epoch on the first students of the class in the current directory, in a process alone."""
    config = params.load(TrainConfig, {"train.memory_mb": str(memory_mb), "train.synthetic_ratio": "0.0"})
    cpu.configure_torch_cpu(config.threads)
    names = sorted(path.stem for path in paths.store_path("any").parent.glob("*.h5"))
    counts = [min(STORE_STUDENTS, students - start) for start in range(0, students, STORE_STUDENTS)]
    tables = []
    for name, count in zip(names, counts, strict=False):  # the first stores
        with store.Store(paths.store_path(name)) as opened:
            columns = {"split": "train", "batch": name, "student": opened.student_ids[:count], "row": range(count)}
        tables.append(pd.DataFrame(columns))
    rows = pairs.build_pair_rows(pd.concat(tables, ignore_index=True))
    training = job.build_model_and_job(model, config, rows, None)
    data = training.load_pairs(training.train_rows)
    optimizer = loop.make_optimizer(training.model, training.config)
    start = time.perf_counter()
    iterations = len(list(loop.iter_training_steps(training.model, data, optimizer, training.config)))
    seconds = time.perf_counter() - start
    streamed = isinstance(data, streaming.StreamedPairs)
    return {"seconds": seconds, "iterations": iterations, "streamed": streamed}


def measure(model: str, gigabytes: float, folder: Path | None) -> list[Row]:
    """Run both trainings in a folder that is deleted afterwards; return a row for each."""
    students = max(1, round(gigabytes * 1e9 / STUDENT_BYTES))
    store_students = min(STORE_STUDENTS, students)
    with tempfile.TemporaryDirectory(dir=folder) as project:
        original = Path.cwd()
        (Path(project) / paths.PARAMS).write_bytes((original / paths.PARAMS).read_bytes())
        os.chdir(project)
        try:
            write_class(students)
            rows = []
            for number, memory_mb in ((students, 1), (store_students, 2**20)):
                arguments = ["--train", model, str(number), str(memory_mb)]
                cost = run_measured(["-m", "benchmarks.streaming", *arguments], Path(project), interval=1)
                result = json.loads(cost.output.splitlines()[-1]) | {"pss_mb": cost.pss_mb}
                size = {"students": number, "gb": round(number * STUDENT_BYTES / 1e9, 2)}
                rows.append(size | result | {"pairs_per_s": round(number * 6 / result["seconds"], 1)})
        finally:
            os.chdir(original)
    return rows


def format_table(rows: list[Row]) -> str:
    """Format the rows as a table."""
    lines = [f"{'photos':>10} {'students':>9} {'GB':>7} {'s':>8} {'pairs/s':>8} {'peak MB':>8}"]
    for row in rows:
        photos = "streamed" if row["streamed"] else "in memory"
        numbers = f"{row['students']:9,} {row['gb']:7.2f} {row['seconds']:8.1f} {row['pairs_per_s']:8.1f}"
        lines.append(f"{photos:>10} {numbers} {row['pss_mb']:8,}")
    ratio = rows[0]["pairs_per_s"] / rows[1]["pairs_per_s"]
    return "\n".join([*lines, f"streamed: {ratio:.2f} of the speed in memory"])


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--gb", type=float, default=20, help="size of the class, in gigabytes of pixels")
    parser.add_argument(
        "--model", default="cnn_channel", choices=[name for name in registry.MODEL_CLASSES if name != "histogram"]
    )
    parser.add_argument("--folder", type=Path, help="folder with enough space; by default the temporary one")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        model, students, memory_mb = options.train
        print(json.dumps(train(model, int(students), int(memory_mb))))
        return
    rows = measure(options.model, options.gb, options.folder)
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
