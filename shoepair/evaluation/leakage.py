"""Can the label be read from anything but the shoes? Probes that must not be able to.

Public solutions of this task have built same and different pairs in different orders, and reported 94 % for it. So
every pair is looked at as the networks get it, by linear probes that see of each photo only what is not the match: a
coarse grey thumbnail (which shoe is above), brightness, border, length and name of the file. In balanced pairs every
photo stands once in a same and once in a different pair, at the same place, so no sum over the two photos tells the
label, and a linear probe is such a sum: on sound pairs it gets 50 % exactly. One that beats chance has found a leak.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from shoepair.data.pair_dataset import PairData
from shoepair.evaluation.metrics import metrics
from shoepair.runtime.errors import ShoepairError

FOLDS = 5
FEWEST = 2 * FOLDS  # students, below which a probe learns nothing
THUMBNAIL = 8  # pixels of an edge
BORDER = 4  # pixels
BATCH = 64  # pairs looked at together; no result depends on it
EXTENSIONS = ("png", "webp")  # beside jpg, which nearly all are named
CHANCE = 0.5

Features = NDArray[np.float64]


def _order(shoes: Tensor) -> Tensor:
    """(B, 2, 3, S, S) to (B, 2, 64): grey thumbnails."""
    return functional.adaptive_avg_pool2d(shoes.mean(dim=2), THUMBNAIL).flatten(2)


def _brightness(shoes: Tensor) -> Tensor:
    """(B, 2, 3, S, S) to (B, 2, 6): mean and deviation of each channel."""
    return torch.cat([shoes.mean(dim=(3, 4)), shoes.std(dim=(3, 4))], dim=2)


def _border(shoes: Tensor) -> Tensor:
    """(B, 2, 3, S, S) to (B, 2, 12): mean colour of each side."""
    sides = [shoes[..., :BORDER, :], shoes[..., -BORDER:, :], shoes[..., :BORDER], shoes[..., -BORDER:]]
    return torch.cat([side.mean(dim=(3, 4)) for side in sides], dim=2)


PROBES: dict[str, Callable[[Tensor], Tensor]] = {"order": _order, "brightness": _brightness, "border": _border}
SEEN = {
    "order": "grey thumbnails of the upper and the lower shoe",
    "brightness": "mean and deviation of the photos' colours",
    "border": "the outermost pixels of the photos",
    "file": "length and extension of the files",
}


def pictures(data: PairData) -> dict[str, Features]:
    """What the probes see of P pairs, as the networks get them: probe -> (P, features)."""
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in PROBES}
    for which in torch.split(torch.arange(len(data)), BATCH):
        images, _ = data.batch(which)  # (B, 3, 2S, S)
        shoes = torch.stack(images.chunk(2, dim=2), dim=1)  # (B, 2, 3, S, S): upper, lower
        for name, probe in PROBES.items():
            found[name].append(probe(shoes).flatten(1).double().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def files(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Features:
    """What the files alone tell of every pair.

    Args:
        rows: `Pairs` rows, P of them.
        tables: batch -> `Photos` rows.

    Returns:
        (P, 6): length and extension of the left shoe's file, then of the right shoe's.
    """
    whole = pd.concat([table.assign(batch=batch) for batch, table in tables.items()])
    whole["length"] = np.log(whole["bytes"])
    for extension in EXTENSIONS:
        whole[extension] = whole["path"].str.lower().str.endswith(f".{extension}").astype(float)
    found = whole.set_index(["batch", "student", "pair", "side"])[["length", *EXTENSIONS]]
    shoes = [rows[["batch", "student"]].assign(pair=rows[side], side=side) for side in ("left", "right")]
    return np.concatenate([found.loc[pd.MultiIndex.from_frame(each)].to_numpy() for each in shoes], axis=1)


def audit(rows: pd.DataFrame, features: Mapping[str, Features], resamples: int, seed: int) -> dict[str, Any]:
    """Let every probe try.

    Args:
        rows: `Pairs` rows, standard ones only, P of them.
        features: probe -> (P, features).
        resamples: bootstrap draws of students behind the intervals.
        seed: of the draws.

    Returns:
        probe -> `balanced` accuracy out of fold with its 95 % interval `low`, `high`, and `leaks`; for fewer than
        `FEWEST` students, nothing.
    """
    students = (rows["batch"] + "/" + rows["student"]).to_numpy()
    if len(set(students)) < FEWEST:
        return {}
    return {name: _tried(rows, students, seen, resamples, seed) for name, seen in features.items()}


def _tried(rows: pd.DataFrame, students: NDArray[Any], seen: Features, resamples: int, seed: int) -> dict[str, Any]:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    folds, same = GroupKFold(FOLDS), rows["same"]
    logit = cross_val_predict(probe, seen, same, groups=students, cv=folds, method="decision_function")
    got = metrics(rows.assign(logit=logit), resamples, seed)
    return {name: got[name] for name in ("balanced", "low", "high")} | {"leaks": got["low"] > CHANCE}


def refuse_leaks(found: Mapping[str, dict[str, Any]]) -> None:
    """Raise where a probe beat chance.

    Raises:
        ShoepairError: names the probes, what they saw, and how well they did.
    """
    problems = [
        f"{name}: {got['balanced']:.1%} balanced accuracy ({got['low']:.1%} to {got['high']:.1%}) from {SEEN[name]}"
        for name, got in found.items()
        if got["leaks"]
    ]
    if problems:
        count = f"{len(problems)} probe{'s' if len(problems) > 1 else ''}"
        text = f"audit: {count} tell same from different pairs without looking at the match, expected 50 %"
        fix = (
            "same and different pairs are built or photographed differently; see shoepair/data/pairs.py and loading.py"
        )
        raise ShoepairError(text, problems=problems, fix=fix)
