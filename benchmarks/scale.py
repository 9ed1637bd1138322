"""Growth of the stages with the class: seconds, memory and bytes per student, on synthetic batches.

    python -m benchmarks.scale [--students 100 1000 10000] [--stages ingest ... | --joining] [--folder DIR]

Batches of synthetic photos are written to a temporary project (in DIR, which needs 0.6 MB per student for the photos
and 0.9 MB for the store), and each stage runs as DVC runs it, in another process. No two photos of the first thousand
students are alike; further students have the same photos as other files: the work per photo is the same, but `split`
would refuse them, so it and the following stages are left out there. Memory is the maximum of all processes together
(PSS). The exponent of growth is the slope of a line through the logarithms: 0 where a stage does not grow, 1 where it
grows as the class does; for processor seconds also between the two largest classes, where the start of Python counts
least. With `--stages split pairs audit suspects` there are no photos: digests, fingerprints and pixels are random
numbers, as many fingerprints as the photos would give, and photos of 16 x 16 pixels; then 100 students join as a
second batch, and the stages run again. With `--joining` the 100 have synthetic photos, stored as small, all stages
that a batch needs run when they join, and their sum is compared between the sizes of the class.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.output import print_results
from benchmarks.watching import ROOT, run_measured
from shoepair.data import naming, parquet_files, schemas, store
from shoepair.ingestion import decoding, phash
from shoepair.runtime import file_digests, json_files, library_versions, paths, stage_declaration
from shoepair.runtime.parallel import scheduling
from shoepair.synthetic import synthetic_class

BATCH = "scale"
STAGES = ("ingest", "validate", "normalize", "features", "split", "pairs", "audit", "suspects")
NEEDING_STORES = {"audit", "suspects"}
OF_THE_CLASS = ("split", "pairs", "suspects")  # what a batch needs, besides the stages of its own
SECOND_BATCH, JOINING = "joining", 100
PER_BATCH = STAGES[:4]
DEFAULT_STAGES = [stage for stage in STAGES if stage != "features"]  # half an hour of a core at 10,000 students
PHOTO_COLUMNS = list(schemas.AcceptedPhotos.to_schema().columns)
STATS_COLUMNS = list(schemas.ImageStats.to_schema().columns)
EDGE, RANDOM_EDGE = 224, 16  # pixels of a photo
MAX_TABLE_STUDENTS = 10_000  # of a batch without photos: more have too large a table
ORIGINAL_STUDENTS = 50  # students of the synthetic class that the photos are varied from
PATCHES = 7  # per edge: grid of the uneven light in a photo
DISTINCT = 1000  # students with different photos; with more, some would be near-duplicates by chance
CHUNK = 50  # students per task
CORES = 2
JOIN = f", {JOINING} join"
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # Python keeps what it compiles, as for whoever runs stages
Row = dict[str, Any]
Pictures = NDArray[np.uint8]


def draw_originals(folder: Path) -> Pictures:
    """Return the photos that others are varied from: (6 ORIGINAL_STUDENTS, 224, 224, 3)."""
    synthetic_class.write_synthetic_class(folder, ORIGINAL_STUDENTS, 0, seed=1)
    return np.stack([decoding.decode_photo(path, EDGE).pixels for path in sorted(folder.glob("train/*"))])


def vary(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """Return a varied photo, no near-duplicate: moved, unevenly lit, with noise; (224, 224, 3) to the same."""
    shifted = np.roll(picture, tuple(rng.integers(EDGE, size=2)), (0, 1))
    patches = Image.fromarray(rng.integers(40, 216, (PATCHES, PATCHES, 3), np.uint8))
    light = np.asarray(patches.resize(picture.shape[:2], Image.Resampling.BICUBIC), np.float32) / 128
    noise = rng.integers(-3, 4, picture.shape, np.int8)
    varied: Pictures = np.clip(shifted * light + noise, 0, 255).astype(np.uint8)
    return varied


def write_students(folder: Path, pictures: Pictures, first: int, numbers: list[int]) -> None:
    """Write varied photos of these students, who are called by their number after the first."""
    for number in numbers:
        rng = np.random.default_rng(number)
        for pair, side in naming.SHOE_KEYS:
            path = folder / f"u{first + number:06}_{pair}_{side}_m.png"
            photo = Image.fromarray(vary(pictures[rng.integers(len(pictures))], rng))
            photo.save(path, compress_type=3)  # run lengths, as in the synthetic class


def write_again(folder: Path, distinct: int, numbers: list[int]) -> None:
    """Write photos of the first `distinct` students as those of these, each with another comment."""
    for number in numbers:
        for pair, side in naming.SHOE_KEYS:
            photo = (folder / f"u{number % distinct:06}_{pair}_{side}_m.png").read_bytes()
            comment = b"tEXtComment\0" + str(number).encode()
            chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
            end = len(photo) - 12  # where the last chunk begins
            (folder / f"u{number:06}_{pair}_{side}_m.png").write_bytes(photo[:end] + chunk + photo[end:])


def draw(folder: Path, students: int, first: int = 0) -> None:
    """Write a class; up to `DISTINCT` students may have other numbers than those from 0."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        write = partial(write_students, folder, draw_originals(Path(temporary)), first)
        distinct = min(students, DISTINCT)
        list(pool.map(write, scheduling.chunked(range(distinct), CHUNK)))
        list(pool.map(partial(write_again, folder, distinct), scheduling.chunked(range(distinct, students), CHUNK)))


def set_up(project: Path) -> None:
    """Copy what every stage reads of this project: code, parameters, the pipeline, library versions."""
    for name in ("shoepair", "stages"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = (paths.PARAMS, stage_declaration.PIPELINE_FILE, library_versions.VERSIONS_FILE, file_digests.IGNORE_FILE)
    for path in files:
        shutil.copyfile(ROOT / path, project / path)
    (project / paths.RAW_FOLDER).mkdir(parents=True)
    # A stage that is started again finds itself compiled.
    run_measured(["-c", f"import {', '.join(f'stages.{stage}' for stage in STAGES)}, torch"], project, COMPILED)


def measure(students: int, stages: list[str], folder: Path | None, class_folder: Path | None = None) -> list[Row]:
    """Write a class and run the stages on it one after the other; return a row per stage.

    Args:
        students: of the class.
        stages: to run.
        folder: with enough space.
        class_folder: keeps classes and is read where they exist.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        project = Path(temporary)
        set_up(project)
        if not set(stages) & set(PER_BATCH):
            batches = write_random_class(project, students, needs_stores=bool(set(stages) & NEEDING_STORES))
            rows = run_stages(project, stages, students, batches)
            write_random_batch(
                project, SECOND_BATCH, students, JOINING, needs_store=bool(set(stages) & NEEDING_STORES)
            )
            return rows + run_stages(project, stages, students, [*batches, SECOND_BATCH])
        raw = project / paths.raw_path(BATCH)
        if class_folder is None:
            draw(raw, students)
        else:
            if not (class_folder / str(students)).is_dir():
                draw(class_folder / str(students), students)
            raw.symlink_to((class_folder / str(students)).absolute(), target_is_directory=True)
        photo_bytes = sum(path.stat().st_size for path in raw.iterdir())
        if students > DISTINCT:
            stages = [stage for stage in stages if stage in PER_BATCH]
        photos_row = {"stage": "photos", "students": students, "bytes_per_student": photo_bytes / students}
        return [photos_row, *run_stages(project, stages, students)]


def measure_joining(students: int, folder: Path | None) -> list[Row]:
    """Let students with synthetic photos join a class of random tables; return a row per stage, before and after.

    Args:
        students: of the class.
        folder: with enough space.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        project = Path(temporary)
        set_up(project)
        # All stores have photos of one size, and those of the class are random.
        parameters = (project / paths.PARAMS).read_text().replace(f"edge: {EDGE} ", f"edge: {RANDOM_EDGE} ")
        (project / paths.PARAMS).write_text(parameters)
        batches = write_random_class(project, students, needs_stores=True)
        rows = run_stages(project, list(OF_THE_CLASS), students, batches)
        draw(project / paths.raw_path(SECOND_BATCH), JOINING, students)
        return rows + run_stages(project, [*PER_BATCH, *OF_THE_CLASS], students, [*batches, SECOND_BATCH])


def write_random_class(project: Path, students: int, *, needs_stores: bool) -> list[str]:
    """Write a class without photos, in as few batches as its tables allow; return their names."""
    starts = range(0, students, MAX_TABLE_STUDENTS)
    batches = [f"{BATCH}{first}" if first else BATCH for first in starts]
    for batch, first in zip(batches, starts, strict=True):
        write_random_batch(project, batch, first, min(MAX_TABLE_STUDENTS, students - first), needs_store=needs_stores)
    return batches


def write_random_batch(project: Path, batch: str, first: int, count: int, *, needs_store: bool) -> None:
    """Write the tables of a batch without photos, and a store of random pixels."""
    with chdir(project):
        names = write_tables(batch, first, count)
        if needs_store:
            store.write_store(paths.store_path(batch), names, random_photos(count), RANDOM_EDGE)


def run_stages(project: Path, stages: list[str], students: int, batches: Sequence[str] = (BATCH,)) -> list[Row]:
    """Run the stages on the batches of a project; return a row per stage."""
    (project / paths.BATCH_LIST).write_text(f"batches: [{', '.join(batches)}]\nsynthetic_classes: {{}}\n")
    joined = batches[-1] == SECOND_BATCH
    rows: list[Row] = []
    for stage in stages:
        arguments = ["-m", f"stages.{stage}", *([batches[-1]] if stage in PER_BATCH else [])]
        cost = run_measured(arguments, project, COMPILED)
        times = {"seconds": round(cost.seconds, 2), "core_seconds": round(cost.core_seconds, 2)}
        numbers = times | {"pss_mb": cost.pss_mb, "largest_mb": cost.largest_mb}
        written = sum(path.stat().st_size for path in stage_outputs(project, stage, batches[-1]))
        share = written / (JOINING if joined and stage in PER_BATCH else students)
        rows.append(
            {"stage": stage + (JOIN if joined else ""), "students": students, **numbers, "bytes_per_student": share}
        )
        print(f"{students:,} students: {cost.output.strip()}, {cost.seconds:.1f} s", file=sys.stderr)
    return rows


def random_photos(students: int) -> Iterator[Pictures]:
    """Yield random pixels instead of photos: (3, 2, 16, 16, 3) per student."""
    rng = np.random.default_rng(2)
    return (rng.integers(0, 256, (3, 2, RANDOM_EDGE, RANDOM_EDGE, 3), np.uint8) for _ in range(students))


def write_tables(batch: str, first: int, count: int) -> list[str]:
    """Write a batch's tables of ingest and validate without photos: digests and fingerprints are random numbers.

    Args:
        batch: its name.
        first: number of the first student.
        count: of the students.

    Returns:
        The students.
    """
    rng = np.random.default_rng(1 + first)
    names = [f"u{number:07}" for number in range(first, first + count)]
    rows = pd.DataFrame(
        [(name, *shoe) for name in names for shoe in naming.SHOE_KEYS], columns=["student", "pair", "side"]
    )
    rows["path"] = rows["student"] + "_" + rows["pair"].astype(str) + "_" + rows["side"] + "_m.png"
    digests = [rng.bytes(32).hex() for _ in range(len(rows))]
    parquet_files.write_table(
        paths.accepted_path(batch),
        rows.assign(subset="train", category="m", bytes=90_000, sha256=digests)[PHOTO_COLUMNS],
        schemas.AcceptedPhotos,
    )
    hashes = [base64.b64encode(rng.bytes(32 * (len(phash.CROP_FRAMES) + 1))).decode() for _ in range(len(rows))]
    stats: dict[str, Any] = {
        "width": 224,
        "height": 224,
        "blur": 0.3,
        "grey_1": 0.1,
        "grey_5": 0.2,
        "grey_99": 0.9,
        "phashes": hashes,
    }
    parquet_files.write_table(paths.image_stats_path(batch), rows.assign(**stats)[STATS_COLUMNS], schemas.ImageStats)
    files = len(rows)
    counts = {"files": files, "accepted": files, "quarantined": 0, "ignored": 0}
    counts |= {"students": count, "quarantined_students": 0}
    json_files.write_json(paths.validation_report_path(batch), counts | {"changed": {}, "flags": {}, "reasons": {}})
    return names


def stage_outputs(project: Path, stage: str, batch: str) -> list[Path]:
    """Return the files that a stage writes, of a stage for each batch those of this one."""
    outputs = {
        "ingest": [paths.manifest_path(batch)],
        "validate": [paths.accepted_path(batch), paths.image_stats_path(batch), paths.validation_report_path(batch)],
        "normalize": [paths.store_path(batch)],
        "features": [paths.features_path(batch)],
        "split": [paths.SPLIT, paths.NEAR_DUPLICATES, paths.SPLIT_METRICS, paths.VALIDATION_METRICS],
        "pairs": [paths.PAIRS],
        "audit": [paths.LEAKAGE_REPORT],
        "suspects": [paths.LABEL_ISSUES, paths.LABEL_ISSUES_PICTURE],
    }
    return [project / path for path in outputs[stage]]


def exponent(students: list[int], values: list[float]) -> float:
    """Return the slope of the line through the logarithms (least squares)."""
    return float(np.polyfit(np.log(students), np.log(values), 1)[0])


def format_table(rows: list[Row]) -> str:
    """Format the table: a line per stage and class, then the exponents of each stage."""
    head = f"{'stage':18} {'students':>9} {'s':>9} {'core s':>9} {'core ms/student':>15}"
    lines = [f"{head} {'peak MB':>8} {'one process':>11} {'bytes/student':>14}"]
    for row in rows:
        end = f"{row['bytes_per_student']:14,.0f}"
        if "seconds" not in row:
            empty = " ".join(f"{'-':>{width}}" for width in (9, 9, 15, 8, 11))
            lines.append(f"{row['stage']:18} {row['students']:9,} {empty} {end}")
            continue
        times = f"{row['core_seconds']:9.1f} {1000 * row['core_seconds'] / row['students']:15.2f}"
        memory = f"{row['pss_mb']:8,} {row['largest_mb']:11,}"
        lines.append(f"{row['stage']:18} {row['students']:9,} {row['seconds']:9.1f} {times} {memory} {end}")
    sizes = sorted({row["students"] for row in rows})
    if len(sizes) < 2:
        return "\n".join(lines)
    for stage in dict.fromkeys(row["stage"] for row in rows if "seconds" in row):
        stage_rows = [row for row in rows if row["stage"] == stage]
        counts = [row["students"] for row in stage_rows]
        seconds, memories = ([row[name] for row in stage_rows] for name in ("core_seconds", "pss_mb"))
        overall, last = exponent(counts, seconds), exponent(counts[-2:], seconds[-2:])
        grown = f"core seconds as students^{overall:.2f}, between the two largest ^{last:.2f}"
        lines.append(f"{stage}: {grown}; memory as ^{exponent(counts, memories):.2f}")
    return "\n".join(lines + format_joining(rows, sizes))


def format_joining(rows: list[Row], sizes: list[int]) -> list[str]:
    """Return a line with the core seconds of all stages together when students join, where all were measured."""
    joining = [row for row in rows if row["stage"].endswith(JOIN)]
    if not any(row["stage"].startswith(PER_BATCH[0]) for row in joining):
        return []
    sums = {size: sum(row["core_seconds"] for row in joining if row["students"] == size) for size in sizes}
    each = ", ".join(f"{seconds:.1f} at {size:,} students" for size, seconds in sums.items())
    return [f"{JOINING} join, all stages: core s {each}; ratio {sums[sizes[-1]] / sums[sizes[0]]:.2f}"]


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[100, 1000, 10000], help="sizes of the batches")
    parser.add_argument("--stages", nargs="+", default=DEFAULT_STAGES, choices=STAGES, help="stages to run, in order")
    parser.add_argument("--joining", action="store_true", help=f"all that it costs when {JOINING} students join")
    parser.add_argument("--folder", type=Path, help="folder with enough space; by default the temporary one")
    parser.add_argument("--keep", type=Path, help="folder that keeps synthetic classes for the next run")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    classes = (
        measure_joining(count, options.folder)
        if options.joining
        else measure(count, options.stages, options.folder, options.keep)
        for count in options.students
    )
    rows = list(chain.from_iterable(classes))
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
