"""Drift of a new batch against the existing ones: size, brightness, sharpness, share of women's shoes.

It reports and rejects nothing: a batch may differ for good reasons. All measures come from `validate`, so no photo is
decoded; colour is not compared. The unit is the student, since the six photos of a student share floor, light and
camera. A measure is shifted if the difference is significant (Kolmogorov-Smirnov test, Bonferroni correction) and
large, because in large classes the smallest difference is significant.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from shoepair.data import naming, parquet_files, schemas
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batch_lists

MEASURES = ("size", "brightness", "sharpness")
SIGNIFICANCE_LEVEL = 0.01 / (len(MEASURES) + 1)  # false alarms: 0.01 over all measures and the women's share
MIN_KS_DISTANCE = 0.4  # Kolmogorov-Smirnov distance of a shift, 0..1
MIN_SHARE_DIFFERENCE = 0.25  # difference of the women's share that is a shift
MIN_STUDENTS = 5  # on either side; with fewer nothing is compared


@dataclass(frozen=True)
class Shift:
    """The comparison of one measure between the new batch and the existing ones."""

    measure: str
    new_value: float  # median over the new batch's students; the share for "women"
    existing_value: float  # likewise, of the existing batches
    distance: float  # Kolmogorov-Smirnov distance, or difference of the shares
    p_value: float  # of the test
    is_shifted: bool  # both significant and large


def compare_with_listed_batches(new_accepted_photos: pd.DataFrame, new_image_stats: pd.DataFrame) -> list[Shift]:
    """Compare size, brightness, sharpness and women's share of a new batch with the listed batches.

    Args:
        new_accepted_photos: `AcceptedPhotos` rows of the new batch.
        new_image_stats: `ImageStats` rows of the new batch. Listed batches without such a table are left out.

    Returns:
        One entry per measure; none if there are too few students on either side.
    """
    new = _measures_by_student(new_accepted_photos, new_image_stats)
    existing_parts = [
        _measures_by_student(
            parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos),
            parquet_files.read_table(paths.image_stats_path(batch), schemas.ImageStats),
        )
        for batch in load_batch_lists().batches
        if paths.image_stats_path(batch).is_file()
    ]
    if len(new) < MIN_STUDENTS or sum(map(len, existing_parts)) < MIN_STUDENTS:
        return []
    existing = pd.concat(existing_parts)
    shifts = [_compare_measure(name, new[name], existing[name]) for name in MEASURES]
    return [*shifts, _compare_womens_share(new, existing)]


def _measures_by_student(accepted_photos: pd.DataFrame, image_stats: pd.DataFrame) -> pd.DataFrame:
    """Compute the measures of a batch, one row per student.

    Returns:
        Means over the six photos: `size` in kilobytes; `brightness`, the mean of the 5th and the 99th percentile of
        grey, and `sharpness`, both 0..1. `women`: number of pairs of women's shoes, 0..3.
    """
    photos = accepted_photos[["path", "student", "bytes", "category"]].merge(
        image_stats.drop(columns="student"), on="path", validate="one_to_one"
    )
    photos = photos.assign(
        size=photos["bytes"] / 1000,
        brightness=(photos["grey_5"] + photos["grey_99"]) / 2,
        sharpness=1 - photos["blur"],
        women=photos["category"] == "w",
    )
    students = photos.groupby("student")
    return students[list(MEASURES)].mean().assign(women=students["women"].sum() / len(naming.SIDES))


def _compare_measure(measure: str, new_students: pd.Series[float], existing_students: pd.Series[float]) -> Shift:
    from scipy import stats  # imported late: it takes most of a second

    distance, p = stats.ks_2samp(new_students, existing_students)
    shifted = bool(p < SIGNIFICANCE_LEVEL and distance > MIN_KS_DISTANCE)
    medians = float(new_students.median()), float(existing_students.median())
    return Shift(measure, *medians, float(distance), float(p), shifted)


def _compare_womens_share(new_students: pd.DataFrame, existing_students: pd.DataFrame) -> Shift:
    """Compare the share of women's pairs; the test is over students, since one student's pairs are alike."""
    from scipy import stats  # imported late, as above

    p = float(stats.mannwhitneyu(new_students["women"], existing_students["women"]).pvalue)
    sides = (new_students, existing_students)
    new, existing = (float(students["women"].mean()) / len(naming.PAIR_NUMBERS) for students in sides)
    difference = abs(new - existing)
    shifted = p < SIGNIFICANCE_LEVEL and difference > MIN_SHARE_DIFFERENCE
    return Shift("women", new, existing, difference, p, shifted)
