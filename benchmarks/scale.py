"""How the stages grow with the class: seconds, memory and bytes a student, of synthetic batches.

    python -m benchmarks.scale [--students 100 1000 10000] [--stages ingest ...] [--folder DIR] [--json FILE]

Batches of synthetic photos are written to a temporary project (in DIR, which needs 0.6 MB a student for the photos and
0.9 MB for the store), and each stage runs as DVC runs it, in a process of its own. No two photos of the first thousand
students are alike; further students have theirs again, as other files: what is done for each photo takes as long, but
`split` would refuse them, so it and what follows are left out there. Memory is that of
all its processes together, at the most (PSS). The exponent of growth is the slope of a line through the logarithms: 0
where a stage does not grow, 1 where it grows as the class does; of processor seconds also between the two largest
classes alone, where the start of Python counts least. With `--stages split pairs audit` there are no photos: digests,
fingerprints and pixels are random numbers, as many as the photos would give.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
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

from benchmarks.output import tell
from benchmarks.watching import ROOT, watched
from shoepair.data import documents, naming, schemas, store, tables
from shoepair.ingestion import decode, phash
from shoepair.runtime import libraries, paths
from shoepair.runtime.parallel import scheduling
from shoepair.synthetic import sample_class

BATCH = "scale"
STAGES = ("ingest", "validate", "normalize", "split", "pairs", "audit")
PER_BATCH = STAGES[:3]
PHOTO, SIGN = (list(schema.to_schema().columns) for schema in (schemas.Photos, schemas.Signs))
EDGE = 224  # pixels of a photo
DRAWN = 50  # students whose photos the synthetic ones are made from
PATCHES = 7  # of an edge: so many times the light changes across a synthetic photo
DISTINCT = 1000  # students with photos of their own; of more, some would be near-duplicates by chance
AT_ONCE = 50  # students that one process draws before it tells
CORES = 2
Row = dict[str, Any]
Pictures = NDArray[np.uint8]


def originals(folder: Path) -> Pictures:
    """The photos that the synthetic ones are made from: (6 DRAWN, 224, 224, 3)."""
    sample_class.draw_class(folder, DRAWN, 0, seed=1)
    return np.stack([decode.decode_photo(path, EDGE).pixels for path in sorted(folder.glob("train/*"))])


def vary(picture: Pictures, rng: np.random.Generator) -> Pictures:
    """A photo that no other one is a near-duplicate of: moved, unevenly lit, with noise. (224, 224, 3) to the same."""
    moved = np.roll(picture, tuple(rng.integers(EDGE, size=2)), (0, 1))
    patches = Image.fromarray(rng.integers(40, 216, (PATCHES, PATCHES, 3), np.uint8))
    light = np.asarray(patches.resize(picture.shape[:2], Image.Resampling.BICUBIC), np.float32) / 128
    noise = rng.integers(-3, 4, picture.shape, np.int8)
    varied: Pictures = np.clip(moved * light + noise, 0, 255).astype(np.uint8)
    return varied


def write_students(folder: Path, pictures: Pictures, numbers: list[int]) -> None:
    """Write the photos of these students."""
    for number in numbers:
        rng = np.random.default_rng(number)
        for pair, side in naming.SHOES:
            path = folder / f"u{number:06}_{pair}_{side}_m.png"
            photo = Image.fromarray(vary(pictures[rng.integers(len(pictures))], rng))
            photo.save(path, compress_type=3)  # run lengths, as the sample class has


def write_again(folder: Path, distinct: int, numbers: list[int]) -> None:
    """Write photos of the first, distinct students as those of these, each with a comment of its own."""
    for number in numbers:
        for pair, side in naming.SHOES:
            photo = (folder / f"u{number % distinct:06}_{pair}_{side}_m.png").read_bytes()
            comment = b"tEXtComment\0" + str(number).encode()
            chunk = struct.pack(">I", len(comment) - 4) + comment + struct.pack(">I", zlib.crc32(comment))
            end = len(photo) - 12  # where the last chunk begins
            (folder / f"u{number:06}_{pair}_{side}_m.png").write_bytes(photo[:end] + chunk + photo[end:])


def draw(folder: Path, students: int) -> None:
    """Write a class."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        work = partial(write_students, folder, originals(Path(place)))
        distinct = min(students, DISTINCT)
        list(pool.map(work, scheduling.windows(range(distinct), AT_ONCE)))
        list(pool.map(partial(write_again, folder, distinct), scheduling.windows(range(distinct, students), AT_ONCE)))


def set_up(project: Path) -> None:
    """Copy what every stage reads of this project: parameters, the pipeline, versions of libraries."""
    for path in (paths.PARAMS, libraries.PIPELINE, libraries.TABLE):
        shutil.copyfile(ROOT / path, project / path)


def measure(students: int, stages: list[str], folder: Path | None, kept: Path | None = None) -> list[Row]:
    """Draw a class, run the stages on it, one after the other; a row a stage.

    Args:
        students: of the class.
        stages: that run.
        folder: where there is room.
        kept: where drawn classes stay, and are taken from if they are there.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        project = Path(place)
        set_up(project)
        if not set(stages) & set(PER_BATCH):
            (project / paths.RAW).mkdir(parents=True)
            with chdir(project):
                names = write_tables(students)
                if "audit" in stages:
                    store.write(paths.store(BATCH), names, noise(students), EDGE)
            return run(project, stages, students)
        raw = project / paths.raw(BATCH)
        if kept is None:
            draw(raw, students)
        else:
            if not (kept / str(students)).is_dir():
                draw(kept / str(students), students)
            raw.parent.mkdir(parents=True)
            raw.symlink_to((kept / str(students)).absolute(), target_is_directory=True)
        drawn = sum(path.stat().st_size for path in raw.iterdir())
        if students > DISTINCT:
            stages = [stage for stage in stages if stage in PER_BATCH]
        photos_row = {"stage": "photos", "students": students, "bytes_per_student": drawn / students}
        return [photos_row, *run(project, stages, students)]


def run(project: Path, stages: list[str], students: int) -> list[Row]:
    """Run the stages on the one batch of a project; a row a stage."""
    (project / paths.BATCHES).write_text(f"batches: [{BATCH}]\nsamples: {{}}\n")
    rows: list[Row] = []
    for stage in stages:
        took = watched(["-m", f"stages.{stage}", *([BATCH] if stage in PER_BATCH else [])], project)
        spent = {"seconds": round(took.seconds, 2), "core_seconds": round(took.core_seconds, 2)}
        numbers = spent | {"pss_mb": took.pss_mb, "largest_mb": took.largest_mb}
        written = sum(path.stat().st_size for path in outputs(project, stage))
        rows.append({"stage": stage, "students": students, **numbers, "bytes_per_student": written / students})
        print(f"{students:,} students: {took.output.strip()}, {took.seconds:.1f} s", file=sys.stderr)
    return rows


def noise(students: int) -> Iterator[Pictures]:
    """Random pixels in the place of photos: (3, 2, 224, 224, 3) of each student."""
    rng = np.random.default_rng(2)
    return (rng.integers(0, 256, (3, 2, EDGE, EDGE, 3), np.uint8) for _ in range(students))


def write_tables(students: int) -> list[str]:
    """What ingest and validate would write of a class without photos: digests and fingerprints are random numbers."""
    rng = np.random.default_rng(1)
    names = [f"u{number:07}" for number in range(students)]
    rows = pd.DataFrame(
        [(name, *shoe) for name in names for shoe in naming.SHOES], columns=["student", "pair", "side"]
    )
    rows["path"] = rows["student"] + "_" + rows["pair"].astype(str) + "_" + rows["side"] + "_m.png"
    digests = [rng.bytes(32).hex() for _ in range(len(rows))]
    tables.write(
        paths.valid(BATCH), rows.assign(set="train", kind="m", bytes=90_000, sha256=digests)[PHOTO], schemas.Photos
    )
    prints = [base64.b64encode(rng.bytes(32 * (len(phash.FRAMES) + 1))).decode() for _ in range(len(rows))]
    seen: dict[str, Any] = {
        "width": 224,
        "height": 224,
        "blur": 0.3,
        "grey_1": 0.1,
        "grey_5": 0.2,
        "grey_99": 0.9,
        "prints": prints,
    }
    tables.write(paths.signs(BATCH), rows.assign(**seen)[SIGN], schemas.Signs)
    files = len(rows)
    counts = {"files": files, "accepted": files, "quarantined": 0, "ignored": 0}
    documents.write_json(paths.validation(BATCH), counts | {"students": students, "quarantined_students": 0})
    return names


def outputs(project: Path, stage: str) -> list[Path]:
    """The files that a stage writes."""
    written = {
        "ingest": [paths.table(BATCH)],
        "validate": [paths.valid(BATCH), paths.signs(BATCH), paths.validation(BATCH)],
        "normalize": [paths.store(BATCH)],
        "split": [paths.SPLIT, paths.DUPLICATES, paths.SPLIT_METRICS, paths.VALIDATION_METRICS],
        "pairs": [paths.PAIRS],
        "audit": [paths.AUDIT],
    }
    return [project / path for path in written[stage]]


def exponent(students: list[int], values: list[float]) -> float:
    """The slope of the line through the logarithms (least squares)."""
    return float(np.polyfit(np.log(students), np.log(values), 1)[0])


def printed(rows: list[Row]) -> str:
    """The table: a line for each stage and class, then the exponents of each stage."""
    head = f"{'stage':10} {'students':>9} {'s':>9} {'core s':>9} {'core ms/student':>15}"
    lines = [f"{head} {'peak MB':>8} {'one process':>11} {'bytes/student':>14}"]
    for row in rows:
        end = f"{row['bytes_per_student']:14,.0f}"
        if "seconds" not in row:
            empty = " ".join(f"{'-':>{width}}" for width in (9, 9, 15, 8, 11))
            lines.append(f"{row['stage']:10} {row['students']:9,} {empty} {end}")
            continue
        spent = f"{row['core_seconds']:9.1f} {1000 * row['core_seconds'] / row['students']:15.2f}"
        memory = f"{row['pss_mb']:8,} {row['largest_mb']:11,}"
        lines.append(f"{row['stage']:10} {row['students']:9,} {row['seconds']:9.1f} {spent} {memory} {end}")
    sizes = sorted({row["students"] for row in rows})
    if len(sizes) < 2:
        return "\n".join(lines)
    for stage in dict.fromkeys(row["stage"] for row in rows if "seconds" in row):
        mine = [row for row in rows if row["stage"] == stage]
        counts = [row["students"] for row in mine]
        taken, held = ([row[name] for row in mine] for name in ("core_seconds", "pss_mb"))
        whole, last = exponent(counts, taken), exponent(counts[-2:], taken[-2:])
        grown = f"core seconds as students^{whole:.2f}, between the two largest ^{last:.2f}"
        lines.append(f"{stage}: {grown}; memory as ^{exponent(counts, held):.2f}")
    return "\n".join(lines)


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[100, 1000, 10000], help="of each batch")
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES, help="that run, in this order")
    parser.add_argument("--folder", type=Path, help="where there is room; by default the system's temporary folder")
    parser.add_argument("--keep", type=Path, help="where drawn classes stay, and are taken from the next time")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    given = parser.parse_args()
    each = (measure(count, given.stages, given.folder, given.keep) for count in given.students)
    rows = list(chain.from_iterable(each))
    tell(rows, printed(rows), given.json)


if __name__ == "__main__":
    main()
