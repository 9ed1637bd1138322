"""Does a new batch look like those that are there? Size, brightness, sharpness, men's and women's shoes.

It informs and refuses nothing: a batch may differ for good reasons, but whoever adds it should know. All measures are
those that `validate` takes, so that no photo is decoded for the comparison; colour is none of them. What is compared
is students, not photos: the six photos of one student share a floor, a lamp and a camera. A measure counts as shifted
if chance alone would rarely do that (Kolmogorov-Smirnov test, Bonferroni correction) and the shift is large too: in
large classes the least difference is beyond chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from shoepair.data import naming, schemas, tables
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batches

MEASURES = ("size", "brightness", "sharpness")
LEVEL = 0.01 / (len(MEASURES) + 1)  # chance of a false alarm; 0.01 over all measures and the women's share
LARGE = 0.4  # Kolmogorov-Smirnov distance, 0..1, from which on a shift is called one
SHARE = 0.25  # difference of the women's share from which on it is called one
FEWEST = 5  # students on either side, below which nothing can be said


@dataclass(frozen=True)
class Shift:
    """One measure of the new batch beside the others."""

    measure: str
    here: float  # median over the new batch's students; the share for "women"
    there: float  # likewise, of the batches that are there
    distance: float  # Kolmogorov-Smirnov distance, or difference of the shares
    p: float  # how often chance alone would do as much
    shifted: bool  # whether it is both beyond chance and large


def compare(accepted: pd.DataFrame, measured: pd.DataFrame) -> list[Shift]:
    """Compare a new batch, its `Photos` and `Signs` rows, with the listed ones that `validate` has worked.

    Returns:
        One entry per measure; none where there is nothing to compare with, or too few students.
    """
    here = _students(accepted, measured)
    old = [
        _students(tables.read(paths.valid(batch), schemas.Photos), tables.read(paths.signs(batch), schemas.Signs))
        for batch in load_batches().batches
        if paths.signs(batch).is_file()
    ]
    if len(here) < FEWEST or sum(map(len, old)) < FEWEST:
        return []
    there = pd.concat(old)
    return [*(_shift(name, here[name], there[name]) for name in MEASURES), _women(here, there)]


def _students(accepted: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """The measures of a batch, one row per student.

    Returns:
        Means over the six photos: `size` in kilobytes; `brightness`, the middle of the 5th and the 99th percentile of
        grey, and `sharpness`, both 0..1. `women`: the number of pairs of women's shoes, 0..3.
    """
    photos = accepted[["path", "student", "bytes", "kind"]].merge(
        measured.drop(columns="student"), on="path", validate="one_to_one"
    )
    photos = photos.assign(
        size=photos["bytes"] / 1000,
        brightness=(photos["grey_5"] + photos["grey_99"]) / 2,
        sharpness=1 - photos["blur"],
        women=photos["kind"] == "w",
    )
    students = photos.groupby("student")
    return students[list(MEASURES)].mean().assign(women=students["women"].sum() / len(naming.SIDES))


def _shift(name: str, here: pd.Series[float], there: pd.Series[float]) -> Shift:
    from scipy import stats  # here, since it takes most of a second, and only `shoepair add` compares

    distance, p = stats.ks_2samp(here, there)
    shifted = bool(p < LEVEL and distance > LARGE)
    return Shift(name, float(here.median()), float(there.median()), float(distance), float(p), shifted)


def _women(here: pd.DataFrame, there: pd.DataFrame) -> Shift:
    """The share of pairs of women's shoes; students are compared, since one student's pairs are alike."""
    from scipy import stats  # as above

    p = float(stats.mannwhitneyu(here["women"], there["women"]).pvalue)
    new, old = (float(each["women"].mean()) / len(naming.PAIRS) for each in (here, there))
    return Shift("women", new, old, abs(new - old), p, p < LEVEL and abs(new - old) > SHARE)
