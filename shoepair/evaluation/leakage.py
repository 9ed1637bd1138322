"""Leakage: linear probes test whether the label can be predicted without comparing the shoes.

Public solutions of this task have built same and different pairs in different orders, and reported 94 % accuracy. So
probes classify every pair, as the networks get it, by features that ignore the match: a coarse grey thumbnail (which
shoe is above), brightness, border, length and extension of the file. In balanced pairs every photo is once in a same
and once in a different pair, at the same position, so no sum over the two photos predicts the label. A linear probe is
such a sum: without leakage its accuracy is exactly 50 %. A probe that beats chance shows leakage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from shoepair.data.photo_loading import PairPhotos
from shoepair.data.wording import count_with_noun
from shoepair.evaluation import student_samples
from shoepair.evaluation.metrics import compute_metrics
from shoepair.runtime.errors import ShoepairError

FOLD_COUNT = 5
MIN_STUDENTS = 2 * FOLD_COUNT  # with fewer, no probe is trained
THUMBNAIL_EDGE = 8  # pixels
BORDER_WIDTH = 4  # pixels
MAX_STUDENTS = 2000  # a probe that beats chance by a percentage point shows it on as many
PAIRS_PER_CHUNK = 60  # pairs processed together; no result depends on it
OTHER_EXTENSIONS = ("png", "webp")  # besides jpg, which nearly all files have
CHANCE_ACCURACY = 0.5

Features = NDArray[np.float64]
Shoes = NDArray[np.float32]


def _thumbnail_features(shoes: Shoes) -> Features:
    """Return grey thumbnails: (B, 2, S, S, 3) to (B, 2, 64); S is a multiple of 8."""
    edge = shoes.shape[2] // THUMBNAIL_EDGE
    parts = shoes.reshape(-1, 2, THUMBNAIL_EDGE, edge, THUMBNAIL_EDGE, edge * 3)
    return _mean(parts, (3, 5)).reshape(-1, 2, THUMBNAIL_EDGE**2)


def _brightness_features(shoes: Shoes) -> Features:
    """Return mean and standard deviation of each channel: (B, 2, S, S, 3) to (B, 2, 6)."""
    return np.concatenate([_mean(shoes, (2, 3)), shoes.std(axis=(2, 3), dtype=np.float64)], axis=2)


def _border_features(shoes: Shoes) -> Features:
    """Return the mean colour of the border on each side: (B, 2, S, S, 3) to (B, 2, 12)."""
    width = BORDER_WIDTH
    sides = [shoes[:, :, :width], shoes[:, :, -width:], shoes[:, :, :, :width], shoes[:, :, :, -width:]]
    return np.concatenate([_mean(side, (2, 3)) for side in sides], axis=2)


def _mean(values: Shoes, axis: tuple[int, ...]) -> Features:
    return np.asarray(values.mean(axis=axis, dtype=np.float64))


PHOTO_PROBES: dict[str, Callable[[Shoes], Features]] = {
    "order": _thumbnail_features,
    "brightness": _brightness_features,
    "border": _border_features,
}
PROBE_INPUTS = {
    "order": "grey thumbnails of the upper and the lower shoe",
    "brightness": "mean and deviation of the photos' colours",
    "border": "the outermost pixels of the photos",
    "file": "length and extension of the files",
}


def sample_pair_rows(pair_rows: pd.DataFrame) -> pd.DataFrame:
    """Return the standard pairs of at most `MAX_STUDENTS` students: `Pairs` rows, in the same order."""
    return pair_rows[pair_rows["standard"] & student_samples.select_students(pair_rows, MAX_STUDENTS)]


def photo_features_by_probe(pairs: PairPhotos) -> dict[str, Features]:
    """Compute each photo probe's features of P pairs, from the images as the networks get them: (P, features)."""
    chunks: dict[str, list[Features]] = {name: [] for name in PHOTO_PROBES}
    for first in range(0, len(pairs), PAIRS_PER_CHUNK):
        shoes = pairs.read_shoes(first, first + PAIRS_PER_CHUNK)  # (B, 2, S, S, 3): upper, lower
        for name, extract in PHOTO_PROBES.items():
            chunks[name].append(extract(shoes).reshape(len(shoes), -1))
    return {name: np.concatenate(parts) for name, parts in chunks.items()}


def file_length_and_type_features(pairs: pd.DataFrame, photos_by_batch: Mapping[str, pd.DataFrame]) -> Features:
    """Compute the file probe's features of every pair: length and extension of both files.

    Args:
        pairs: P `Pairs` rows.
        photos_by_batch: batch -> `AcceptedPhotos` rows.

    Returns:
        (P, 6): log of the length, is PNG, is WebP; of the left shoe's file, then of the right shoe's.
    """
    of_pairs = {batch: table["student"].isin(pairs["student"]) for batch, table in photos_by_batch.items()}
    photos = pd.concat([table[of_pairs[batch]].assign(batch=batch) for batch, table in photos_by_batch.items()])
    photos["length"] = np.log(photos["bytes"])
    for extension in OTHER_EXTENSIONS:
        photos[extension] = photos["path"].str.lower().str.endswith(f".{extension}").astype(float)
    features = photos.set_index(["batch", "student", "pair", "side"])[["length", *OTHER_EXTENSIONS]]
    keys = [pairs[["batch", "student"]].assign(pair=pairs[side], side=side) for side in ("left", "right")]
    return np.concatenate([features.loc[pd.MultiIndex.from_frame(key)].to_numpy() for key in keys], axis=1)


def cross_validate_probes_by_name(
    pairs: pd.DataFrame, features: Mapping[str, Features], resamples: int, seed: int, student_count: int = 0
) -> dict[str, Any]:
    """Cross-validate each probe by student and return its balanced accuracy and whether it beats chance.

    Args:
        pairs: P `Pairs` rows, standard ones only.
        features: probe -> (P, features).
        resamples: number of bootstrap resamples of students.
        seed: of the resamples.
        student_count: of the class, if the pairs are of a sample.

    Returns:
        probe -> `balanced` accuracy out of fold with its 95 % interval `low`, `high`, and `leaks`; of a sample also
        `students` in it and `of_students` of the class; empty for fewer than `MIN_STUDENTS` students.
    """
    students = (pairs["batch"] + "/" + pairs["student"]).to_numpy()
    count = len(set(students))
    if count < MIN_STUDENTS:
        return {}
    sample = {"students": count, "of_students": student_count} if count < student_count else {}
    return {
        name: _probe_accuracy(pairs, students, values, resamples, seed) | sample for name, values in features.items()
    }


def _probe_accuracy(
    pairs: pd.DataFrame, students: NDArray[Any], features: Features, resamples: int, seed: int
) -> dict[str, Any]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds, same = GroupKFold(FOLD_COUNT), pairs["same"]
    with threadpool_limits(1):  # the number of threads changes the last bits of sums
        logit = cross_val_predict(probe, features, same, groups=students, cv=folds, method="decision_function")
    numbers = compute_metrics(pairs.assign(logit=logit), resamples, seed)
    leaks = numbers["low"] > CHANCE_ACCURACY
    return {name: numbers[name] for name in ("balanced", "low", "high")} | {"leaks": leaks}


def raise_if_leaking(probe_results: Mapping[str, dict[str, Any]]) -> None:
    """Raise if a probe beats chance, that is, if the label can be predicted without comparing the shoes.

    Raises:
        ShoepairError: names these probes, their input and their accuracy.
    """
    problems = [
        f"{name}: {result['balanced']:.1%} balanced accuracy ({result['low']:.1%} to {result['high']:.1%}) "
        f"from {PROBE_INPUTS[name]}"
        for name, result in probe_results.items()
        if result["leaks"]
    ]
    if problems:
        count = count_with_noun(len(problems), "probe")
        message = f"audit: leakage, {count} predict the label without comparing the shoes, expected 50 % accuracy"
        fix = "build and photograph same and different pairs alike; see shoepair/data/pairs.py and photo_loading.py"
        raise ShoepairError(message, problems=problems, fix=fix)
