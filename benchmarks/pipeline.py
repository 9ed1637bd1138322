"""Speed, memory and bytes of the pipeline's parts, as ratios to a reference measured in the same run.

    python -m benchmarks.pipeline PHOTOS [--stages-only] [--notebook notebook_baseline.py] [--json FILE]

PHOTOS is a class folder with train/, test_m/, test_w/. Machines are noisy: compare the ratios only; each is of medians
of repetitions that alternate between the two sides. `validate` is measured on PHOTOS and on photos of 12 megapixels
that are made of them, by the clock (it uses all cores, bare decoding one) and by processor time (a core each).
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.output import print_results
from benchmarks.resident_batch import ResidentBatch
from shoepair.data import pair_dataset, store
from shoepair.ingestion import file_manifest, parallel_decoding, validation
from shoepair.models import registry
from shoepair.runtime import cpu, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig
from shoepair.training.notebook import train_model

EDGE = registry.DEFAULT_EDGE
LARGE_SIZE = (4000, 3000)  # pixels
BATCH = 32
THREADS = 2
Row = dict[str, Any]


def measure_seconds(function: Callable[[], object]) -> float:
    """Return the seconds that a function takes."""
    return measure_costs(function)[0]


def measure_costs(function: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a function takes, and its processor seconds in all threads."""
    start, processor_start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - processor_start


def side_by_side(ours: Callable[[], object], reference: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the median seconds of two functions, run in turn, after one run of each to warm up."""
    (seconds, _), (reference_seconds, _) = costs_side_by_side(ours, reference, times)
    return seconds, reference_seconds


def costs_side_by_side(
    ours: Callable[[], object], reference: Callable[[], object], times: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the median costs, as of `measure_costs`, of two functions, run in turn, after one run of each."""
    ours()
    reference()
    pairs = [(measure_costs(ours), measure_costs(reference)) for _ in range(times)]
    seconds, reference_seconds = (
        [statistics.median(costs) for costs in zip(*side, strict=True)] for side in zip(*pairs, strict=True)
    )
    return (seconds[0], seconds[1]), (reference_seconds[0], reference_seconds[1])


def make_row(what: str, unit: str, ours: float, reference: float, target: str, *, met: bool) -> Row:
    """Return one row of the table; the ratio is ours to the reference."""
    numbers = {"ours": round(ours, 3), "reference": round(reference, 3), "ratio": round(ours / reference, 3)}
    return {"what": what, "unit": unit, **numbers, "target": target, "met": met}


def decode_bare(paths: list[Path]) -> None:
    """Decode photos with Pillow, one after the other, to RGB arrays of the stored size: the minimum of any reader."""
    for path in paths:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        np.asarray(rgb if rgb.size == (EDGE, EDGE) else ImageOps.fit(rgb, (EDGE, EDGE), Image.Resampling.LANCZOS))


def write_large_photos(photos: list[Path], folder: Path) -> None:
    """Write photos of 12 megapixels: photos enlarged, with noise, as JPEG."""
    folder.mkdir()
    for number, path in enumerate(photos):
        noise = np.random.default_rng(number).integers(-8, 9, (*LARGE_SIZE[::-1], 1), np.int8)
        with Image.open(path) as image:
            large = ImageOps.fit(image.convert("RGB"), LARGE_SIZE, Image.Resampling.BICUBIC)
        noisy = np.clip(np.asarray(large) + noise.astype(np.int16), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{path.stem}.jpg", quality=90)


def validate_stage(what: str, folder: Path, times: int) -> list[Row]:
    """Measure validate in photos/s against bare decoding, by the clock and by processor time."""
    rows = file_manifest.build_manifest(folder)
    paths = [folder / path for path in rows["path"]]
    sides = costs_side_by_side(
        lambda: validation.validate_batch_or_raise("bench", folder, rows, EDGE), lambda: decode_bare(paths), times
    )
    (ours, ours_of_core), (bare, bare_of_core) = ((len(paths) / cost for cost in costs) for costs in sides)
    return [
        make_row(what, "photos/s", ours, bare, "0.8 of bare decoding", met=ours >= 0.8 * bare),
        make_row(f"{what}: processor time", "photos/s", ours_of_core, bare_of_core, "-", met=True),
    ]


def data_stages(folder: Path, large_photos: int, times: int) -> list[Row]:
    """Measure ingest, validate, normalize in photos/s against bare decoding; and stored bytes per value."""
    rows = file_manifest.build_manifest(folder)
    accepted = validation.validate_batch_or_raise("bench", folder, rows, EDGE).accepted
    listed = storage.list_photo_files(folder, accepted)
    paths = [photo.path for photo in listed]
    students = list(accepted["student"].unique())
    measured = validate_stage("validate", folder, times)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "bench.h5"

        def normalize() -> None:
            photos = parallel_decoding.iter_decoded_photos_or_errors(listed, EDGE)
            store.write_store(path, students, parallel_decoding.iter_student_photo_stacks(photos, EDGE), EDGE)

        functions: dict[str, Callable[[], object]] = {
            "ingest": lambda: file_manifest.build_manifest(folder),
            "normalize": normalize,
        }
        for name, function in functions.items():
            medians = side_by_side(function, lambda: decode_bare(paths), times)
            ours, bare = (len(paths) / seconds for seconds in medians)
            measured.append(make_row(name, "photos/s", ours, bare, "0.8 of bare decoding", met=ours >= 0.8 * bare))
        stored, values = path.stat().st_size, len(paths) * EDGE * EDGE * 3
        large = Path(temporary) / "large"
        write_large_photos(paths[:large_photos], large)
        measured += validate_stage("validate, 12 megapixels", large, times)
    return [*measured, make_row("stored", "bytes", stored, values, "1.02 a pixel value", met=stored <= 1.02 * values)]


def training_stage(data: NDArray[np.uint8], times: int) -> list[Row]:
    """Measure training in pairs/s, mini-batches gathered as in the pipeline, against one resident batch."""
    cpu.configure_torch_cpu(THREADS)
    pairs = pair_dataset.make_standard_pair_dataset(data)
    return [_training_of(name, pairs, times) for name in ("cnn", "cnn_channel", "siamese")]


def _training_of(name: str, data: pair_dataset.InMemoryPairs, times: int) -> Row:
    model, config = job.build_model_and_config(name, TrainConfig(batch_size=BATCH, device="cpu"))
    optimizer = loop.make_optimizer(model, config)
    resident = ResidentBatch(data, BATCH)

    def run(source: pair_dataset.PairSource) -> None:
        list(loop.iter_training_steps(model, source, optimizer, config))

    seconds = side_by_side(lambda: run(data), lambda: run(resident), times)
    ours, bare = (len(data) / value for value in seconds)
    return make_row(f"train {name}", "pairs/s", ours, bare, "0.95 of a resident batch", met=ours >= 0.95 * bare)


def read_photos(folder: Path, subset: str | None = None) -> NDArray[np.uint8]:
    """Return the photos of a class, or of one of its subsets: (N, 3, 2, S, S, 3) bytes."""
    accepted: pd.DataFrame = validation.select_accepted_photo_rows(file_manifest.build_manifest(folder))
    selected = accepted if subset is None else accepted[accepted["subset"] == subset]
    decoded = parallel_decoding.iter_decoded_photos_or_errors(storage.list_photo_files(folder, selected), EDGE)
    return np.stack(list(parallel_decoding.iter_student_photo_stacks(decoded, EDGE)))


def whole_training(folder: Path, name: str, epochs: int) -> None:
    """Train as the stage does, with accuracies after every epoch; print its cost as JSON. Runs alone."""
    cpu.configure_torch_cpu(THREADS)
    data = read_photos(folder, "train")
    valid = max(1, len(data) // 5)
    model, config = job.build_model_and_config(name, TrainConfig(epochs=epochs, batch_size=BATCH, device="cpu"))
    seconds = measure_seconds(lambda: train_model(model, data[valid:], data[:valid], config=config))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "students": len(data), "valid": valid}))


def run_json(arguments: list[str]) -> dict[str, Any]:
    """Run a Python program in another process and return the JSON of its last line."""
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def memory_and_notebook(folder: Path, notebook: Path | None, epochs: int) -> list[Row]:
    """Measure the peak memory of training both models, and the notebook's program if it is given."""
    measured = []
    for name, arch in (("cnn", "cnn"), ("cnn_channel", "channel")):
        ours = run_json(["-m", "benchmarks.pipeline", str(folder), "--only-train", name, "--epochs", str(epochs)])
        limit = 1536.0
        met = ours["peak_mb"] < limit
        measured.append(make_row(f"train {name}: peak memory", "MB", ours["peak_mb"], limit, "under 1.5 GB", met=met))
        if notebook:
            arguments = ["--arch", arch, "--fixed", "--epochs", str(epochs), "--batch", str(BATCH)]
            arguments += ["--students", str(ours["students"]), "--valid", str(ours["valid"])]
            cost = run_json([str(notebook), str(folder / "train"), *arguments])
            peak, seconds = float(cost["peak_rss_mb"]), float(cost["train_s"] + cost["eval_s"])
            title = f"train {name} beside the notebook"
            measured.append(make_row(f"{title}: peak", "MB", ours["peak_mb"], peak, "-", met=True))
            measured.append(make_row(f"{title}: {epochs} epochs", "s", ours["seconds"], seconds, "-", met=True))
    return measured


def format_table(measured: list[Row]) -> str:
    """Format the rows as a table."""
    lines = [f"{'what':38} {'unit':9} {'ours':>11} {'reference':>12} {'ratio':>6}  target"]
    for row in measured:
        numbers = f"{row['ours']:11,.1f} {row['reference']:12,.1f} {row['ratio']:6.2f}"
        verdict = "" if row["target"] == "-" else " (met)" if row["met"] else " (missed)"
        lines.append(f"{row['what']:38} {row['unit']:9} {numbers}  {row['target']}{verdict}")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("photos", type=Path, nargs="?", default=Path("data/raw/drawn"))
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    parser.add_argument("--notebook", type=Path, help="notebook_baseline.py, measured for comparison")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the complete trainings")
    parser.add_argument("--times", type=int, default=3, help="repetitions per median")
    parser.add_argument("--large-photos", type=int, default=96, help="photos of 12 megapixels, 2.6 MB each")
    parser.add_argument("--stages-only", action="store_true", help="measure no training")
    parser.add_argument("--only-train", metavar="MODEL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_train:
        whole_training(options.photos, options.only_train, options.epochs)
        return
    try:
        measured = data_stages(options.photos, options.large_photos, options.times)
        if not options.stages_only:
            measured += training_stage(read_photos(options.photos)[:40], options.times)
            measured += memory_and_notebook(options.photos, options.notebook, options.epochs)
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    print_results(measured, format_table(measured), options.json)


if __name__ == "__main__":
    main()
