"""Does a new batch look like those that are there? Size, brightness, colour, sharpness, men's and women's shoes.

It informs and refuses nothing: a batch may differ for good reasons, but whoever adds it should know. What is compared
is students, not photos: the six photos of one student share a floor, a lamp and a camera. A measure counts as shifted
if chance alone would rarely do that (Kolmogorov-Smirnov test, Bonferroni correction) and the shift is large too: in
large classes the least difference is beyond chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shoepair.data import naming, schemas, tables
from shoepair.data.store import Store
from shoepair.ingestion import decode_all
from shoepair.runtime import params, paths, storage

MEASURES = ("size", "brightness", "colour", "sharpness")
LEVEL = 0.01  # chance of any false alarm, over all measures together
LARGE = 0.4  # Kolmogorov-Smirnov distance, 0..1, from which on a shift is called one
SHARE = 0.25  # difference of the women's share from which on it is called one
STUDENTS = 150  # of each batch that are looked at, evenly spaced: bounds what adding costs
LAPLACIAN = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=1, offset=128)
FEWEST = 5  # students on either side, below which nothing can be said


@dataclass(frozen=True)
class Shift:
    """One measure of the new batch beside the others.

    Args:
        measure: its name.
        here: median over the new batch's students; the share for "women".
        there: likewise, of the batches that are there.
        distance: Kolmogorov-Smirnov distance, or difference of the shares.
        p: how often chance alone would do as much.
        shifted: whether it is both beyond chance and large.
    """

    measure: str
    here: float
    there: float
    distance: float
    p: float
    shifted: bool


def compare(folder: Path, accepted: pd.DataFrame, edge: int) -> list[Shift]:
    """A new batch beside the listed ones whose stores are here.

    Args:
        folder: its photos.
        accepted: its `Photos` rows.
        edge: of a photo as it is stored, in pixels.

    Returns:
        A row per measure; none where there is nothing to compare with, or too few students.
    """
    chosen = _spread(accepted)
    old = list(_listed(edge)) if chosen["student"].nunique() >= FEWEST else []
    if sum(map(len, old)) < FEWEST:
        return []
    there = pd.concat(old)
    decoded = decode_all.read_all(storage.listed(folder, chosen), edge)
    here = _measured(chosen, decode_all.students(decoded, edge))
    return [*(_shift(name, here[name], there[name]) for name in MEASURES), _women(here, there)]


def _listed(edge: int) -> Iterator[pd.DataFrame]:
    """The measures of every listed batch that was worked and is here, stored at the same size."""
    for batch in params.load_batches().batches:
        if paths.valid(batch).is_file() and paths.store(batch).is_file():
            rows = tables.read(paths.valid(batch), schemas.Photos)
            with Store(paths.store(batch)) as store:
                if store.edge == edge:
                    numbers = {student: row for row, student in enumerate(store.students)}
                    chosen = _spread(rows)
                    yield _measured(chosen, _stored(store, [numbers[each] for each in chosen["student"].unique()]))


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of so many students, evenly spaced, always the same."""
    students = rows["student"].unique()
    chosen = np.unique(np.linspace(0, len(students) - 1, STUDENTS).astype(int))
    return rows[rows["student"].isin(students[chosen])]


def _stored(store: Store, numbers: list[int]) -> Iterator[NDArray[np.uint8]]:
    for number in numbers:
        yield store.read([number])[0]


def _measured(chosen: pd.DataFrame, images: Iterator[NDArray[np.uint8]]) -> pd.DataFrame:
    """One row per student: means over the six photos, and the number of pairs of women's shoes."""
    sizes = chosen.groupby("student")["bytes"].mean() / 1000
    women = chosen[chosen["kind"] == "w"].groupby("student")["pair"].nunique()
    found = pd.DataFrame([_look(image) for image in images], index=sizes.index)
    return found.assign(size=sizes, women=women.reindex(sizes.index, fill_value=0))


def _look(image: NDArray[np.uint8]) -> dict[str, float]:
    """Brightness, colour and sharpness of a student's photos, means over (3, 2, S, S, 3) bytes.

    Brightness is the mean of all values; colour the mean distance of the greatest from the least channel; sharpness
    the standard deviation of the Laplacian of the grey picture, the usual measure of blur (Pech-Pacheco and others:
    "Diatom autofocusing in brightfield microscopy", 2000).
    """
    edge = image.shape[2]
    grey = [Image.fromarray(each).convert("L") for each in image.reshape(-1, edge, edge, 3)]
    edges = [np.asarray(each.filter(LAPLACIAN), np.float64) for each in grey]
    spread = image.max(axis=-1).astype(np.float64) - image.min(axis=-1)
    sharpness = float(np.mean([each.std() for each in edges]))
    return {"brightness": float(image.mean()), "colour": float(spread.mean()), "sharpness": sharpness}


def _shift(name: str, here: pd.Series[float], there: pd.Series[float]) -> Shift:
    from scipy import stats  # here, since it takes most of a second, and only `shoepair add` compares

    distance, p = stats.ks_2samp(here, there)
    shifted = bool(_is_beyond_chance(p) and distance > LARGE)
    return Shift(name, float(here.median()), float(there.median()), float(distance), float(p), shifted)


def _women(here: pd.DataFrame, there: pd.DataFrame) -> Shift:
    """The share of pairs of women's shoes; students are compared, since one student's pairs are alike."""
    from scipy import stats  # as above

    p = float(stats.mannwhitneyu(here["women"], there["women"]).pvalue)
    new, old = (float(each["women"].mean()) / len(naming.PAIRS) for each in (here, there))
    return Shift("women", new, old, abs(new - old), p, _is_beyond_chance(p) and abs(new - old) > SHARE)


def _is_beyond_chance(p: float) -> bool:
    return p < LEVEL / (len(MEASURES) + 1)  # and the women's share
