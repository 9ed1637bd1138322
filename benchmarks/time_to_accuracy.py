"""Seconds until a network is as right on validation students as the assignment's notebook ever is.

    python -m benchmarks.time_to_accuracy NOTEBOOK PHOTOS [--epochs 20] [--json FILE]

NOTEBOOK is a program that trains as the notebook does (`--fixed --arch --epochs --batch --students --valid`; it
prints JSON); PHOTOS is a class folder with train/. The notebook's best epoch by validation is the aim. Ours is the
recipe of params.yaml without drawn students, on the same students and pairs, with 1, 2, 4, ... epochs, each a training
of its own, since the learning rate follows the number of epochs: the first that reaches the aim counts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.output import print_results
from benchmarks.pipeline import THREADS, Row, format_table, make_row, measure_seconds, read_photos, run_json
from shoepair.data import pair_dataset
from shoepair.models.inference import positive_and_negative_accuracy
from shoepair.runtime import cpu, params
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig

MAX_EPOCHS = 256
VALID_SHARE = 5  # one student of so many
NOTEBOOK_BATCH = 32


def order_as_notebook(students: int) -> NDArray[np.intp]:
    """Return the order into which the notebook puts the students; the first of them are its validation students."""
    order = np.arange(students)
    np.random.RandomState(0).shuffle(order)
    return order


def train_until(name: str, data: NDArray[np.uint8], valid: int, aim: float) -> tuple[float, int, float]:
    """Return the seconds, epochs and balanced accuracy of the first training that reaches the aim, or of the last."""
    cpu.configure_torch_cpu(THREADS)
    changed = {"threads": THREADS, "negatives": "standard", "synthetic_ratio": 0.0}
    recipe = params.load(TrainConfig).model_copy(update=changed)
    learnt, held_out = (
        pair_dataset.make_standard_pair_dataset(part).downsample(recipe.network.edge)
        for part in (data[valid:], data[:valid])
    )
    epochs = 1
    while True:
        model, config = job.build_model_and_config(name, recipe.model_copy(update={"epochs": epochs}))
        seconds = measure_seconds(lambda: loop.fit(model, learnt, held_out, config))  # noqa: B023  # called at once
        accuracy = sum(positive_and_negative_accuracy(model, held_out)) / 2
        if accuracy >= aim or epochs >= MAX_EPOCHS:
            return seconds, epochs, accuracy
        epochs *= 2


def compare(notebook: Path, folder: Path, epochs: int) -> list[Row]:
    """Return a row for each network of the assignment."""
    data = read_photos(folder, "train")
    data = data[order_as_notebook(len(data))]
    valid = max(1, len(data) // VALID_SHARE)
    rows = []
    for name, arch in (("cnn", "cnn"), ("cnn_channel", "channel")):
        arguments = ["--arch", arch, "--fixed", "--epochs", str(epochs), "--batch", str(NOTEBOOK_BATCH)]
        arguments += ["--n", "8", "--students", str(len(data)), "--valid", str(valid)]
        cost = run_json([str(notebook), str(folder / "train"), *arguments])
        seconds, ours_epochs, accuracy = train_until(name, data, valid, cost["valid"])
        what = f"{name} to {cost['valid']:.1%} ({ours_epochs} epochs, {accuracy:.1%})"
        rows.append(make_row(what, "s", seconds, cost["train_s"] + cost["eval_s"], "-", met=accuracy >= cost["valid"]))
    return rows


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_accuracy", description=__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--epochs", type=int, default=20, help="of the notebook")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    rows = compare(options.notebook, options.photos, options.epochs)
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
