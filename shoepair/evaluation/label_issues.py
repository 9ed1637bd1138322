"""Label issues: students ranked by the probability that their photos are mislabelled. No student is excluded.

Photos named by hand have three errors. Each is detected by a model fitted to other students (five folds over
students), so that no photo is scored by a model trained on it:

    mispaired   how well colours, positions of colours and shapes of a left and a right shoe agree, for all nine
                combinations of a student; suspicious if another pairing of the shoes fits better, or if one pair does
                not match at all
    swapped     whether a photo looks like left or right; suspicious if both photos of a pair look like the other side.
                Where photos do not show the side (many classes lay both shoes the same way), no student is suspected.
    not a shoe  reconstruction error of a photo by the principal components of the others

Each becomes a probability, given an assumed prior; `issue_probability` is the probability of at least one error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.special import expit, logit, logsumexp
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from shoepair.data import naming
from shoepair.data.histogram_distance import bhattacharyya_distance
from shoepair.data.schemas import LabelIssues
from shoepair.evaluation import student_samples

FOLD_COUNT = 5
MIN_STUDENTS = 2 * FOLD_COUNT  # with fewer, no student is ranked
# Assumed shares of students who mispair shoes, and who swap left and right. The second is small: in many photos left
# and right look much the same, and an unreliable test must not hide a reliable one.
MISPAIRED_PRIOR, SWAPPED_PRIOR = 0.01, 0.001
COARSE_EDGE, FINE_EDGE = 16, 32  # pixels of a thumbnail's edge
HISTOGRAM_BINS = 16  # per channel
PCA_COMPONENTS = 40  # of thumbnails
OUTLIER_DEVIATIONS = 13  # robust deviations from the median at which a photo is no shoe with probability 0.5
SHOWN_STUDENTS = 10  # on the contact sheet
THUMBNAIL_EDGE, CAPTION_HEIGHT = 112, 22  # of a photo and of a line of text on the contact sheet, pixels
DIGITS = 4
MAX_FITTED_STUDENTS = 2000  # whose photos the models are fitted to; all are ranked
MEASURE_SHAPES = {"distances": (9, 16), "grey": (6, COARSE_EDGE**2)}  # of a student: all that the models need
PAIRINGS = list(permutations(range(len(naming.PAIR_NUMBERS))))  # the first one is how the photos are named

Array = NDArray[np.float64]


def extract_student_features_by_name(photos: NDArray[np.uint8]) -> dict[str, Array]:
    """Extract the image features of one student's six photos: histograms, thumbnails and edges.

    Args:
        photos: (3, 2, S, S, 3) bytes.

    Returns:
        `channels` (3, 2, 3, 16) and `colours` (3, 2, 6, 64), square roots of histograms of the channels, and of the
        colours in six parts of the photo; `coarse` (3, 2, 16, 16, 3) thumbnails; `grey`, `fine` and `edges`
        (3, 2, ., .), of mean 0 and standard deviation 1.
    """
    by_photo = [_photo_features(photo) for photo in photos.reshape(-1, *photos.shape[2:])]
    stacked = {name: np.stack([features[name] for features in by_photo]) for name in by_photo[0]}
    return {name: values.reshape(3, 2, *values.shape[1:]) for name, values in stacked.items()}


def _photo_features(photo: NDArray[np.uint8]) -> dict[str, Array]:
    edge = len(photo)
    inner, outer = (photo[margin : edge - margin, margin : edge - margin] for margin in (edge // 5, edge // 8))
    binned = inner.reshape(-1, 3).T // (256 // HISTOGRAM_BINS)  # (3, pixels)
    channels = [np.bincount(channel, minlength=HISTOGRAM_BINS) for channel in binned]
    codes = (outer.astype(np.int64) >> 6) @ [16, 4, 1]  # two bits of each channel
    half, third = len(codes) // 2, len(codes) // 3
    parts = [codes, codes[:, :third], codes[:, third:-third], codes[:, -third:], codes[:half], codes[half:]]
    coarse, fine = (_thumbnail(photo, edge) for edge in (COARSE_EDGE, FINE_EDGE))
    grey = fine.mean(axis=-1)
    edges = np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1])
    return {
        "channels": _sqrt_histograms(np.stack(channels)),
        "colours": _sqrt_histograms(np.stack([np.bincount(part.ravel(), minlength=64) for part in parts])),
        "coarse": coarse,
        **{"grey": _standardize(coarse.mean(axis=-1)), "fine": _standardize(grey), "edges": _standardize(edges)},
    }


def _thumbnail(photo: NDArray[np.uint8], edge: int) -> Array:
    small = Image.fromarray(photo).resize((edge, edge), Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _sqrt_histograms(counts: NDArray[np.int64]) -> Array:
    """Return square roots of normalised histograms: their scalar product is the Bhattacharyya coefficient."""
    return np.asarray(np.sqrt(counts / counts.sum(axis=-1, keepdims=True)))


def _standardize(grey: Array) -> Array:
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-3))


def measure_student(photos: NDArray[np.uint8]) -> dict[str, Array]:
    """Return what the models need of one student's photos (3, 2, S, S, 3): see `MEASURE_SHAPES`.

    `distances` of all nine left and right shoes; `grey` thumbnails of the six photos.
    """
    features = {name: values[None] for name, values in extract_student_features_by_name(photos).items()}
    nine = [_pair_distances(features, left, right)[0] for left in range(3) for right in range(3)]
    return {"distances": np.stack(nine), "grey": features["grey"].reshape(6, -1)}


def rank_suspect_rows(students: pd.DataFrame, measures: Iterable[Mapping[str, Array]]) -> pd.DataFrame:
    """Rank students by the probability that their photos are mislabelled and return `LabelIssues` rows.

    Args:
        students: N rows with `batch` and `student`.
        measures: of each of them, see `measure_student`.

    Returns:
        N rows, the most suspicious student first; no rows for fewer than `MIN_STUDENTS` students.
    """
    if len(students) < MIN_STUDENTS:
        return pd.DataFrame({name: [] for name in LabelIssues.to_schema().columns})
    distances, grey = _stack_measures(measures, len(students))
    is_fitted = student_samples.select_students(students, MAX_FITTED_STUDENTS)
    with threadpool_limits(1):  # the number of threads changes the last bits of sums
        issues = {
            "mispaired": _mispaired_probability(distances, is_fitted),
            "swapped": _swapped_probability(grey, is_fitted),
            "not_a_shoe": _not_a_shoe_probability(grey, is_fitted),
        }
    probabilities = pd.DataFrame({name: values for name, (values, _) in issues.items()})
    probabilities.insert(0, "issue_probability", 1 - (1 - probabilities).prod(axis=1))
    likeliest = probabilities[list(issues)].idxmax(axis=1)
    frame = students[["batch", "student"]].reset_index(drop=True).join(probabilities.round(DIGITS))
    frame = frame.assign(reason=[issues[str(name)][1][row] for row, name in enumerate(likeliest)])
    keys, ascending = ["issue_probability", "batch", "student"], [False, True, True]
    frame = frame.sort_values(keys, ascending=ascending, ignore_index=True)
    frame.insert(2, "rank", range(1, len(frame) + 1))
    return frame


def _stack_measures(measures: Iterable[Mapping[str, Array]], count: int) -> tuple[Array, Array]:
    """Return the `distances` and `grey` of all students; nothing of the batches' arrays stays in memory."""
    distances, grey = (np.empty((count, *shape)) for shape in MEASURE_SHAPES.values())
    for row, values in zip(range(count), measures, strict=True):
        distances[row], grey[row] = values["distances"], values["grey"]
    return distances, grey


def _list_folds(is_fitted: NDArray[np.bool_], rows: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return, for each fold over students, which of N x `rows` rows a model is fitted to, and which it scores."""
    groups = np.repeat(np.arange(len(is_fitted)), rows)
    folds = GroupKFold(FOLD_COUNT).split(groups, groups=groups)
    return [(train[is_fitted[groups[train]]], test) for train, test in folds]


def _cross_val_logits(
    features: Array, labels: NDArray[np.int64], is_fitted: NDArray[np.bool_], components: int = 0
) -> Array:
    """Return the logits of a linear model out of fold, cross-validated by student: (N, R) for N students of R rows.

    Args:
        features: (N, R, F).
        labels: (R,), 0 or 1, the same for every student.
        is_fitted: (N,), whose rows the model may be fitted to.
        components: number of principal components; 0 for the features as they are.
    """
    count, rows, _ = features.shape
    flat = features.reshape(count * rows, -1)
    reduce = [PCA(components, svd_solver="full")] if components else []
    model = make_pipeline(StandardScaler(), *reduce, LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000))
    folds, tiled = _list_folds(is_fitted, rows), np.tile(labels, count)
    logits = cross_val_predict(model, flat, tiled, cv=folds, method="decision_function")
    return np.asarray(logits.reshape(count, rows))


def _mispaired_probability(nine: Array, is_fitted: NDArray[np.bool_]) -> tuple[Array, list[str]]:
    """Return (N,) the probability that another pairing is right or a pair does not match, and the likeliest reason."""
    # Logarithm: the same difference means more between similar shoes than between dissimilar ones.
    same = _cross_val_logits(np.log(nine + 0.02), np.eye(3, dtype=np.int64).ravel(), is_fitted).reshape(-1, 3, 3)
    scores = [same[:, range(3), pairing].sum(axis=1) for pairing in PAIRINGS]
    without_pair = [sum(same[:, other, other] for other in range(3) if other != pair) for pair in range(3)]
    others = np.stack([*scores[1:], *without_pair], axis=1)
    probability = expit(logsumexp(others, axis=1) - np.log(others.shape[1]) - scores[0] + logit(MISPAIRED_PRIOR))
    texts = [_describe_pairing(pairing) for pairing in PAIRINGS[1:]]
    texts += [f"pair {pair}: left and right do not match" for pair in naming.PAIR_NUMBERS]
    return probability, [texts[best] for best in others.argmax(axis=1)]


def _describe_pairing(pairing: tuple[int, ...]) -> str:
    moved = [f"left {left + 1} with right {right + 1}" for left, right in enumerate(pairing) if left != right]
    return f"would match better: {', '.join(moved)}"


def _pair_distances(features: dict[str, Array], left: int, right: int) -> Array:
    """Return (N, 16) distances of left and right shoes by their features; shapes also to the mirror image."""
    both = {name: (values[:, left, 0], values[:, right, 1]) for name, values in features.items()}
    roots = [(one * other).sum(axis=-1) for one, other in (both["channels"], both["colours"])]
    roots.append(roots[0].mean(axis=-1, keepdims=True))
    columns = [bhattacharyya_distance(root) for root in roots]
    for name in ("grey", "coarse", "fine", "edges"):
        one, other = both[name]
        columns.append(_mean_abs_difference(one, other))
        if name in {"grey", "coarse"}:
            columns.append(_mean_abs_difference(one, other[:, :, ::-1]))
    return np.concatenate(columns, axis=1)


def _mean_abs_difference(one: Array, other: Array) -> Array:
    return np.asarray(np.abs(one - other).reshape(len(one), -1).mean(axis=1, keepdims=True))


def _swapped_probability(grey: Array, is_fitted: NDArray[np.bool_]) -> tuple[Array, list[str]]:
    """Return (N,) the probability that left and right are swapped in a pair, and the likeliest pair as text."""
    components = PCA_COMPONENTS if len(grey) > PCA_COMPONENTS else MIN_STUDENTS // 2
    is_right = _cross_val_logits(grey, np.tile([0, 1], 3), is_fitted, components).reshape(-1, 3, 2)
    margins = is_right[..., 1] - is_right[..., 0]  # (N, 3), above 0 if named correctly
    # Calibrate margins by how often they are right: slope 0 where photos do not show the side.
    both = np.concatenate([margins.ravel(), -margins.ravel()])[:, None]
    as_named = np.repeat([1, 0], margins.size)
    slope = max(0.0, float(LogisticRegression(fit_intercept=False).fit(both, as_named).coef_[0, 0]))
    swaps = np.column_stack([margins, margins.sum(axis=1)])  # (N, 4): of one pair, or of all pairs
    probabilities = expit(-slope * swaps + logit(SWAPPED_PRIOR / swaps.shape[1]))
    texts = [f"{pairs}: left and right look swapped" for pairs in ("pair 1", "pair 2", "pair 3", "all pairs")]
    return 1 - (1 - probabilities).prod(axis=1), [texts[worst] for worst in probabilities.argmax(axis=1)]


def _not_a_shoe_probability(grey: Array, is_fitted: NDArray[np.bool_]) -> tuple[Array, list[str]]:
    """Return (N,) the probability that a photo shows no shoe, and the photo as text."""
    count = len(grey)
    flat = grey.reshape(count * 6, -1)
    errors = np.empty(count * 6)  # of reconstruction
    for train, test in _list_folds(is_fitted, 6):
        model = PCA(min(PCA_COMPONENTS, len(train) // 4), svd_solver="full").fit(flat[train])
        residuals = flat[test] - model.inverse_transform(model.transform(flat[test]))
        errors[test] = (residuals**2).mean(axis=1)
    offsets = errors - np.median(errors)
    spread = np.median(np.abs(offsets)) * 1.4826  # of a normal distribution, the standard deviation
    deviations = (offsets / max(spread, 1e-9)).reshape(count, 6)
    texts = [f"pair {pair} {side}: unlike the other photos" for pair, side in naming.SHOE_KEYS]
    return expit(deviations.max(axis=1) - OUTLIER_DEVIATIONS), [texts[worst] for worst in deviations.argmax(axis=1)]


def draw_contact_sheet_image(suspects: pd.DataFrame, photos: Iterable[NDArray[np.uint8]]) -> Image.Image:
    """Draw suspects (`LabelIssues` rows) with their six photos, one row per student, as one image."""
    width, height = 6 * THUMBNAIL_EDGE, max(1, len(suspects)) * (THUMBNAIL_EDGE + CAPTION_HEIGHT)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    if suspects.empty:
        draw.text((4, 2), f"fewer than {MIN_STUDENTS} students: no ranking", "black", font)
    rows: Iterable[Any] = suspects.itertuples()
    for number, (row, six_photos) in enumerate(zip(rows, photos, strict=True)):
        top = number * (THUMBNAIL_EDGE + CAPTION_HEIGHT)
        line = f"{row.rank}. {row.student} ({row.batch}), {row.issue_probability:.0%}: {row.reason}"
        draw.text((4, top + 2), line, "black", font)
        for column, photo in enumerate(six_photos.reshape(-1, *six_photos.shape[2:])):
            small = Image.fromarray(photo).resize((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * THUMBNAIL_EDGE, top + CAPTION_HEIGHT))
    return sheet
