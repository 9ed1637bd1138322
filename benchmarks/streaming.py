"""Training on a class that does not fit in memory: its memory, and its speed beside a class that does.

    python -m benchmarks.streaming [--gb 20] [--model cnn_channel] [--folder DIR] [--json FILE]

Stores of synthetic photos are written to a temporary folder (in DIR, which needs the room) and one epoch is trained
over all of them, streamed, with the parameters of params.yaml. Memory is that of all processes of the training
together, as the system tells it once a second: the most that they held (PSS, which counts what they share once).
Beside it the same epoch over one store that is held in memory.
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

from benchmarks.output import tell
from benchmarks.watching import watched
from shoepair.data import pairs, store, streaming
from shoepair.models import registry
from shoepair.runtime import cpu, params, paths
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig

STORE = 500  # students of a store, 0.45 GB
EDGE = 224
STUDENT = 18 * EDGE**2  # bytes
Row = dict[str, Any]


def photos_of(students: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Synthetic photos of some students, (3, 2, S, S, 3) bytes each: noise, which costs no less than shoes."""
    rng = np.random.default_rng(seed)
    for _ in range(students):
        yield rng.integers(0, 256, (3, 2, EDGE, EDGE, 3), np.uint8)


def write_class(students: int) -> pd.DataFrame:
    """Write the stores of a class to the current directory; its `Pairs` rows."""
    rows = []
    for start in range(0, students, STORE):
        names = [f"u{number:06}" for number in range(start, min(start + STORE, students))]
        batch = f"batch{start // STORE:03}"
        store.write(paths.store(batch), names, photos_of(len(names), start), EDGE)
        rows.append(pd.DataFrame({"split": "train", "batch": batch, "student": names, "row": range(len(names))}))
    return pairs.build(pd.concat(rows, ignore_index=True))


def train(model: str, students: int, memory_mb: int) -> Row:
    """One epoch over the first students of the class in the current directory. Runs alone."""
    chosen = params.load(TrainConfig, {"train.memory_mb": str(memory_mb), "train.synthetic": "0.0"})
    cpu.use_threads(chosen.threads)
    names = sorted(path.stem for path in paths.store("any").parent.glob("*.h5"))
    every = [
        pd.DataFrame({"split": "train", "batch": name, "student": "", "row": range(min(STORE, students - at * STORE))})
        for at, name in enumerate(names)
        if students > at * STORE
    ]
    rows = pairs.build(pd.concat(every, ignore_index=True))
    ready = job.assemble(model, chosen, rows, None)
    data = ready.load(ready.train)
    optimizer = loop.start(ready.model, ready.config)
    start = time.perf_counter()
    iterations = len(list(loop.epoch(ready.model, data, optimizer, ready.config)))
    spent = time.perf_counter() - start
    streamed = isinstance(data, streaming.StreamedPairs)
    return {"seconds": spent, "iterations": iterations, "streamed": streamed}


def measure(model: str, gigabytes: float, folder: Path | None) -> list[Row]:
    """Both trainings, in a folder that is deleted afterwards."""
    students = max(1, round(gigabytes * 1e9 / STUDENT))
    few = min(STORE, students)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        here = Path.cwd()
        (Path(place) / paths.PARAMS).write_bytes((here / paths.PARAMS).read_bytes())
        os.chdir(place)
        try:
            write_class(students)
            rows = []
            for number, memory_mb in ((students, 1), (few, 2**20)):
                words = ["--train", model, str(number), str(memory_mb)]
                took = watched(["-m", "benchmarks.streaming", *words], Path(place), every=1)
                got = json.loads(took.output.splitlines()[-1]) | {"pss_mb": took.pss_mb}
                facts = {"students": number, "gb": round(number * STUDENT / 1e9, 2)}
                rows.append(facts | got | {"pairs_per_s": round(number * 6 / got["seconds"], 1)})
        finally:
            os.chdir(here)
    return rows


def printed(rows: list[Row]) -> str:
    """The table."""
    lines = [f"{'photos':>10} {'students':>9} {'GB':>7} {'s':>8} {'pairs/s':>8} {'peak MB':>8}"]
    for row in rows:
        where = "streamed" if row["streamed"] else "in memory"
        numbers = f"{row['students']:9,} {row['gb']:7.2f} {row['seconds']:8.1f} {row['pairs_per_s']:8.1f}"
        lines.append(f"{where:>10} {numbers} {row['pss_mb']:8,}")
    ratio = rows[0]["pairs_per_s"] / rows[1]["pairs_per_s"]
    return "\n".join([*lines, f"streamed: {ratio:.2f} of the speed in memory"])


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--gb", type=float, default=20, help="of the class, in gigabytes of pixels")
    parser.add_argument(
        "--model", default="cnn_channel", choices=[name for name in registry.MODELS if name != "histogram"]
    )
    parser.add_argument("--folder", type=Path, help="where there is room; by default the system's temporary folder")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train:
        model, students, memory_mb = given.train
        print(json.dumps(train(model, int(students), int(memory_mb))))
        return
    rows = measure(given.model, given.gb, given.folder)
    tell(rows, printed(rows), given.json)


if __name__ == "__main__":
    main()
