"""Who may have mislabelled photos: students ranked, for somebody to look at. Nobody is excluded.

Three things go wrong when photos are named by hand, and each has a sign of its own, learnt from other students only
(five folds over students), so that no photo vouches for itself:

    mispaired   how well colours, places of colours and shapes of a left and a right shoe agree, for all nine
                combinations of a student; suspicious if another way to pair the shoes explains them better, or if one
                pair does not match at all
    swapped     whether a photo looks like left or right; suspicious if both photos of a pair look like the other side.
                Where photos do not tell the side (many classes lay both shoes the same way), it accuses nobody.
    not a shoe  how far a photo is from what the principal components of the others can show

Each becomes a chance, with a guess of how often people err so, and a student's suspicion is the chance of any of them.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from shoepair.data.histograms import bhattacharyya
from shoepair.data.schemas import Suspects

FOLDS = 5
FEWEST = 2 * FOLDS  # students, below which nothing is learnt
# Guesses of the share of students who mispair shoes, and who exchange left and right. The second is kept small: in
# many photos left and right look much the same, and a sign that is often wrong must not hide one that seldom is.
MISPAIRED, SWAPPED = 0.01, 0.001
COARSE, FINE = 16, 32  # pixels of a thumbnail's edge
LEVELS = 16  # of a channel's histogram
COMPONENTS = 40  # of thumbnails
FAR = 13  # robust deviations from the median at which a photo is as likely no shoe as one
SHOWN, THUMBNAIL, CAPTION = 10, 112, 22  # students on the picture, edge of a photo on it, height of a line; pixels
DIGITS = 4
PAIRINGS = list(permutations(range(len(naming.PAIRS))))  # the first one is how the photos are named

Array = NDArray[np.float64]


def describe(image: NDArray[np.uint8]) -> dict[str, Array]:
    """What is compared of one student's photos.

    Args:
        image: (3, 2, S, S, 3) bytes.

    Returns:
        `channels` (3, 2, 3, 16) and `colours` (3, 2, 6, 64), roots of histograms of the channels, and of the colours
        in six parts of the photo; `coarse` (3, 2, 16, 16, 3) thumbnails; `grey`, `fine` and `edges` (3, 2, ., .), of
        mean 0 and deviation 1.
    """
    six = image.reshape(-1, *image.shape[2:])
    looks = [_describe(photo) for photo in six]
    return {name: np.stack([look[name] for look in looks]).reshape(3, 2, *looks[0][name].shape) for name in looks[0]}


def _describe(photo: NDArray[np.uint8]) -> dict[str, Array]:
    edge = len(photo)
    inner, outer = (photo[margin : edge - margin, margin : edge - margin] for margin in (edge // 5, edge // 8))
    channels = [np.bincount(inner[..., channel].ravel() // (256 // LEVELS), minlength=LEVELS) for channel in range(3)]
    codes = (outer.astype(np.int64) >> 6) @ [16, 4, 1]  # two bits of each channel
    half, third = len(codes) // 2, len(codes) // 3
    parts = [codes, codes[:, :third], codes[:, third:-third], codes[:, -third:], codes[:half], codes[half:]]
    coarse, fine = (_thumbnail(photo, size) for size in (COARSE, FINE))
    light = fine.mean(axis=-1)
    edges = np.hypot(np.diff(light, axis=0)[:, :-1], np.diff(light, axis=1)[:-1])
    return {
        "channels": _root(np.stack(channels)),
        "colours": _root(np.stack([np.bincount(part.ravel(), minlength=64) for part in parts])),
        "coarse": coarse,
        **{"grey": _standard(coarse.mean(axis=-1)), "fine": _standard(light), "edges": _standard(edges)},
    }


def _thumbnail(photo: NDArray[np.uint8], size: int) -> Array:
    small = Image.fromarray(photo).resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _root(counts: NDArray[np.int64]) -> Array:
    """Histograms of sum 1, their roots: so that a scalar product is the Bhattacharyya coefficient."""
    return np.asarray(np.sqrt(counts / counts.sum(axis=-1, keepdims=True)))


def _standard(grey: Array) -> Array:
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-3))


def rank(students: pd.DataFrame, images: Iterable[NDArray[np.uint8]]) -> pd.DataFrame:
    """Rank a class.

    Args:
        students: N rows with `batch` and `student`.
        images: their photos, N arrays (3, 2, S, S, 3); one at a time is in memory.

    Returns:
        `Suspects` rows; none for fewer than `FEWEST` students, from whom nothing can be learnt.
    """
    if len(students) < FEWEST:
        return pd.DataFrame({name: [] for name in Suspects.to_schema().columns})
    looks = [describe(image) for image in images]
    seen = {name: np.stack([look[name] for look in looks]) for name in looks[0]}
    with threadpool_limits(1):  # the number of threads shows in the last bits of sums
        found = {"mispaired": _mispaired(seen), "swapped": _swapped(seen), "not_a_shoe": _no_shoe(seen)}
    chances = pd.DataFrame({name: chance for name, (chance, _) in found.items()})
    chances.insert(0, "suspicion", 1 - (1 - chances).prod(axis=1))
    worst = chances[list(found)].idxmax(axis=1)
    frame = students[["batch", "student"]].reset_index(drop=True).join(chances.round(DIGITS))
    frame = frame.assign(why=[found[str(name)][1][row] for row, name in enumerate(worst)])
    frame = frame.sort_values(["suspicion", "batch", "student"], ascending=[False, True, True], ignore_index=True)
    frame.insert(2, "rank", range(1, len(frame) + 1))
    return frame


def _predicted(features: Array, labels: NDArray[np.int64], components: int = 0) -> Array:
    """Logits of a linear model out of fold; the rows of a student, as many for each, stand together and stay so.

    Args:
        features: (N, rows of a student, F).
        labels: (rows of a student,), 0 or 1.
        components: principal components to look at; 0 for the features as they are.
    """
    count, each, _ = features.shape
    flat, groups = features.reshape(count * each, -1), np.repeat(np.arange(count), each)
    reduce = [PCA(components, svd_solver="full")] if components else []
    model = make_pipeline(StandardScaler(), *reduce, LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000))
    folds = GroupKFold(FOLDS)
    got = cross_val_predict(model, flat, np.tile(labels, count), groups=groups, cv=folds, method="decision_function")
    return np.asarray(got.reshape(count, each))


def _mispaired(seen: dict[str, Array]) -> tuple[Array, list[str]]:
    """The chance that another way to pair the shoes is the right one, or that a pair is none."""
    nine = np.stack([_distances(seen, left, right) for left in range(3) for right in range(3)], axis=1)
    # A logarithm, since the same difference means more between near shoes than between far ones.
    same = _predicted(np.log(nine + 0.02), np.eye(3, dtype=np.int64).ravel()).reshape(-1, 3, 3)
    scores = [same[:, range(3), pairing].sum(axis=1) for pairing in PAIRINGS]
    odd = [sum(same[:, other, other] for other in range(3) if other != pair) for pair in range(3)]
    others = np.stack([*scores[1:], *odd], axis=1)
    chance = expit(logsumexp(others, axis=1) - np.log(others.shape[1]) - scores[0] + logit(MISPAIRED))
    texts = [_pairing_text(pairing) for pairing in PAIRINGS[1:]]
    texts += [f"pair {pair}: left and right do not match" for pair in naming.PAIRS]
    return chance, [texts[best] for best in others.argmax(axis=1)]


def _pairing_text(pairing: tuple[int, ...]) -> str:
    moved = [f"left {left + 1} with right {right + 1}" for left, right in enumerate(pairing) if left != right]
    return f"would match better: {', '.join(moved)}"


def _distances(seen: dict[str, Array], left: int, right: int) -> Array:
    """(N, 16): how far a left shoe is from a right one, by what `describe` sees; shapes also from its mirror image."""
    both = {name: (values[:, left, 0], values[:, right, 1]) for name, values in seen.items()}
    roots = [(one * other).sum(axis=-1) for one, other in (both["channels"], both["colours"])]
    roots.append(roots[0].mean(axis=-1, keepdims=True))
    columns = [bhattacharyya(root) for root in roots]
    for name in ("grey", "coarse", "fine", "edges"):
        one, other = both[name]
        columns.append(_difference(one, other))
        if name in {"grey", "coarse"}:
            columns.append(_difference(one, other[:, :, ::-1]))
    return np.concatenate(columns, axis=1)


def _difference(one: Array, other: Array) -> Array:
    return np.asarray(np.abs(one - other).reshape(len(one), -1).mean(axis=1, keepdims=True))


def _swapped(seen: dict[str, Array]) -> tuple[Array, list[str]]:
    """The chance that left and right are exchanged in a pair."""
    grey = seen["grey"].reshape(len(seen["grey"]), 6, -1)
    right = _predicted(grey, np.tile([0, 1], 3), COMPONENTS if grey.shape[0] > COMPONENTS else FEWEST // 2)
    margins = right.reshape(-1, 3, 2)[..., 1] - right.reshape(-1, 3, 2)[..., 0]  # (N, 3), above 0 as named
    # What a margin is worth, from how often it is right: where sides cannot be told, nothing.
    both = np.concatenate([margins.ravel(), -margins.ravel()])[:, None]
    as_named = np.repeat([1, 0], margins.size)
    worth = max(0.0, float(LogisticRegression(fit_intercept=False).fit(both, as_named).coef_[0, 0]))
    exchanged = np.column_stack([margins, margins.sum(axis=1)])  # one pair, or all of them
    chances = expit(-worth * exchanged + logit(SWAPPED / exchanged.shape[1]))
    texts = [f"{what}: left and right look exchanged" for what in ("pair 1", "pair 2", "pair 3", "all pairs")]
    return 1 - (1 - chances).prod(axis=1), [texts[worst] for worst in chances.argmax(axis=1)]


def _no_shoe(seen: dict[str, Array]) -> tuple[Array, list[str]]:
    """The chance that a photo shows something else."""
    count = len(seen["grey"])
    flat, groups = seen["grey"].reshape(count * 6, -1), np.repeat(np.arange(count), 6)
    far = np.empty(count * 6)
    for others, held in GroupKFold(FOLDS).split(flat, groups=groups):
        model = PCA(min(COMPONENTS, len(others) // 4), svd_solver="full").fit(flat[others])
        rest = flat[held] - model.inverse_transform(model.transform(flat[held]))
        far[held] = (rest**2).mean(axis=1)
    spread = np.median(np.abs(far - np.median(far))) * 1.4826  # of a normal distribution, the standard deviation
    deviations = ((far - np.median(far)) / max(spread, 1e-9)).reshape(count, 6)
    texts = [f"pair {pair} {side}: unlike the other photos" for pair, side in naming.SHOES]
    return expit(deviations.max(axis=1) - FAR), [texts[worst] for worst in deviations.argmax(axis=1)]


def picture(suspects: pd.DataFrame, images: Iterable[NDArray[np.uint8]]) -> Image.Image:
    """The first students of the ranking, `Suspects` rows, with their photos, a line each."""
    width, height = 6 * THUMBNAIL, max(1, len(suspects)) * (THUMBNAIL + CAPTION)
    sheet = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    if suspects.empty:
        draw.text((4, 2), f"fewer than {FEWEST} students: nobody is ranked", "black", font)
    rows: Iterable[Any] = suspects.itertuples()
    for place, (row, image) in enumerate(zip(rows, images, strict=True)):
        top = place * (THUMBNAIL + CAPTION)
        line = f"{row.rank}. {row.student} ({row.batch}), {row.suspicion:.0%}: {row.why}"
        draw.text((4, top + 2), line, "black", font)
        for column, photo in enumerate(image.reshape(-1, *image.shape[2:])):
            small = Image.fromarray(photo).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * THUMBNAIL, top + CAPTION))
    return sheet
