"""Matching of shoes: the most probable one-to-one matching over all scores, of a folder or of any heap.

The weight of a matching is the sum of its pairs' log odds. Odds below the threshold of "different pairs" weigh 0: how
different two shoes are must not break up a good pair elsewhere, and such shoes stay unmatched.

If the side of every shoe is known, left shoes are matched with right ones (`scipy.optimize.linear_sum_assignment`).
Otherwise a shoe may be matched with any that is not known to be of the same side; two shoes of unknown sides get the
mean logit of both orders. This is a matching in a general graph (networkx's `max_weight_matching`, Edmonds' blossoms).
It takes seconds for 200 shoes, so the assignment of every shoe to a shoe is tried first: where it assigns each two
shoes to each other, it is the best matching, since every matching is such an assignment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from shoepair.commands.serving import photo_copies, photo_issues
from shoepair.commands.serving.predictor import (
    PairPredictor,
    Prediction,
    ShoePhoto,
    learning_sentence,
    make_prediction,
)
from shoepair.data import naming
from shoepair.data.wording import count_with_noun
from shoepair.evaluation.thresholds import DecisionRule
from shoepair.ingestion import ignored_files
from shoepair.models import inference
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError, escape_unprintable

MAX_PHOTOS = 200  # in a folder: the time grows with the square of this
SIDE_PATTERN = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class MatchedPair:
    """Two photos proposed as a pair; if the names say no side, `left` and `right` have no meaning."""

    left: str
    right: str
    prediction: Prediction


@dataclass(frozen=True)
class FolderMatching:
    """The matching of a folder. Photos = 2 x pairs + unmatched + left out + unreadable."""

    pairs: tuple[MatchedPair, ...]  # the most probable first
    unmatched: tuple[str, ...]  # shoes without a partner
    unreadable: dict[str, str]  # file -> why it is not a photo
    sides_known: bool  # whether every name says left or right
    left_out: dict[str, str] = field(default_factory=dict)  # photo without one shoe, or a copy -> why
    learning: str = ""  # what the model learnt from, a sentence

    @property
    def is_sure(self) -> bool:
        """Whether every photo was compared and every pair has a sure verdict."""
        return not self.unreadable and not self.left_out and all(match.prediction.is_sure for match in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return the matching as a JSON-serializable dict."""
        pairs = [{"left": match.left, "right": match.right} | match.prediction.to_dict() for match in self.pairs]
        rest = {"unmatched": list(self.unmatched), "left_out": self.left_out, "unreadable": self.unreadable}
        return {"sides_known": self.sides_known, "learning": self.learning, "pairs": pairs, **rest}


def parse_side(file_name: str) -> str:
    """Parse the side from a file name: "left", "right", or "" if it says none or both."""
    sides = {word.lower() for word in SIDE_PATTERN.findall(Path(file_name).stem)}
    return sides.pop() if len(sides) == 1 else ""


def match_folder(folder: Path, predictor: PairPredictor) -> FolderMatching:
    """Score all pairs of photos directly in a folder and return the best matching; system files are ignored.

    Raises:
        ShoepairError: there are fewer than two photos, or more than `MAX_PHOTOS`.
    """
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and not ignored_files.is_system_file(Path(path.name))
    )
    if not 2 <= len(files) <= MAX_PHOTOS:
        expected = f"expected 2 to {MAX_PHOTOS} photos of one shoe each"
        message = f"{escape_unprintable(str(folder))}: {count_with_noun(len(files), 'file')}, {expected}"
        raise ShoepairError(message, fix="put the photos directly into the folder")
    photos: dict[str, ShoePhoto] = {}
    unreadable = {}
    for path in progress.track(files, "check", "photo"):
        try:
            photos[escape_unprintable(path.name)] = predictor.prepare_photo(path)
        except (naming.PhotoError, OSError) as error:
            unreadable[escape_unprintable(path.name)] = str(getattr(error, "strerror", None) or error)
    left_out = find_unusable_photos(photos)
    photos = {name: photo for name, photo in photos.items() if name not in left_out}
    names, sides = list(photos), [parse_side(name) for name in photos]
    rule = predictor.decision_rule
    learning = learning_sentence(rule.learning)
    if len(names) < 2:
        return FolderMatching((), tuple(names), unreadable, all(sides), left_out, learning)
    wanted = wanted_orders(sides, is_symmetric=inference.is_symmetric(predictor.model))
    logits = mean_over_orders(predictor.compute_logit_matrix(list(photos.values()), wanted))
    pairs = []
    for one, other in list_best_pairs(logits / rule.temperature, sides, lowest_log_odds(rule)):
        pair = (names[one], names[other])
        score = rule.calibrated_probability(float(logits[one, other]))
        pairs.append(MatchedPair(*pair, make_prediction(rule, score, {name: photos[name] for name in pair})))
    pairs.sort(key=lambda match: (-match.prediction.score, match.left))
    matched = {name for match in pairs for name in (match.left, match.right)}
    unmatched = tuple(name for name in names if name not in matched)
    return FolderMatching(tuple(pairs), unmatched, unreadable, all(sides), left_out, learning)


def find_unusable_photos(photos: Mapping[str, ShoePhoto]) -> dict[str, str]:
    """Return the photos that are compared with no other, and why: no or several shoes, or a copy of one before."""
    left_out: dict[str, str] = {}
    for name, photo in photos.items():
        if found := [issue for issue in photo.issues if issue in photo_issues.NO_SHOE_ISSUES]:
            left_out[name] = photo_issues.ISSUE_TEXTS[found[0]][0]
            continue
        for other in photos:
            if other == name:
                break
            if other not in left_out and photo_copies.are_copies(photos[other].hashes, photo.hashes):
                left_out[name] = f"is the same photo as {other}"
                break
    return left_out


def wanted_orders(sides: Sequence[str], *, is_symmetric: bool) -> NDArray[np.bool_]:
    """Return which ordered pairs to score: (N, N), a left shoe or one of unknown side first, then a right one or such.

    Args:
        sides: (N,) "left", "right" or "", if it is not known.
        is_symmetric: whether the order of two shoes of unknown side has no influence: then one of both is enough.
    """
    side = np.array(sides)
    wanted = (side != "right")[:, None] & (side != "left")[None]
    np.fill_diagonal(wanted, val=False)
    if is_symmetric:
        unknown = side == ""
        wanted &= ~np.tril(unknown[:, None] & unknown[None])
    return np.asarray(wanted)


def mean_over_orders(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean logit of each two shoes over the orders that were scored: symmetric (N, N), NaN where none."""
    both = np.stack([logits, logits.T])
    scored = ~np.isnan(both)
    count = scored.sum(axis=0)
    return np.asarray(np.where(count, np.where(scored, both, 0).sum(axis=0) / np.maximum(count, 1), np.nan))


def lowest_log_odds(rule: DecisionRule) -> float | None:
    """Return the log odds of the threshold of "different pairs"; None if nothing is called different."""
    below = rule.different_below
    return math.log(below) - math.log1p(-below) if below else None


def list_best_pairs(
    log_odds: NDArray[np.float64], sides: Sequence[str], lowest: float | None = None
) -> list[tuple[int, int]]:
    """Find the one-to-one matching with the largest sum of log odds, without pairs below the lowest.

    Args:
        log_odds: (N, N), NaN for two shoes that are no pair; symmetric, unless all sides are known.
        sides: (N,) "left", "right" or "".
        lowest: log odds that weigh 0; None: all shoes are matched, as far as their sides allow.

    Returns:
        Numbers of two shoes each, no shoe twice: the left one first; of unknown side, the one that comes first.
    """
    allowed = ~np.isnan(log_odds)
    if not allowed.any():
        return []
    floor = float(log_odds[allowed].min()) - 1 if lowest is None else lowest
    weights = np.where(allowed, np.maximum(np.nan_to_num(log_odds) - floor, 0), 0)
    matched = _match_known_sides(weights, np.array(sides)) if all(sides) else _match_any(weights)
    return [
        (other, one) if sides[one] == "right" or sides[other] == "left" else (one, other)
        for one, other in sorted(matched)
        if weights[one, other] > 0
    ]


def _match_known_sides(weights: NDArray[np.float64], sides: NDArray[np.str_]) -> list[tuple[int, int]]:
    """Match lefts with rights."""
    lefts, rights = np.flatnonzero(sides == "left"), np.flatnonzero(sides == "right")
    rows, columns = linear_sum_assignment(weights[np.ix_(lefts, rights)], maximize=True)
    return list(zip(lefts[rows].tolist(), rights[columns].tolist(), strict=True))


def _match_any(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Match any two shoes: (N, N) symmetric weights, 0 for those that are no pair; the lower number comes first."""
    _, partners = linear_sum_assignment(weights, maximize=True)
    if (partners[partners] == np.arange(len(weights))).all():
        return [(one, other) for one, other in enumerate(partners.tolist()) if one < other]
    graph = nx.Graph()
    rows, columns = np.nonzero(np.triu(weights, 1))
    edges = zip(rows.tolist(), columns.tolist(), weights[rows, columns].tolist(), strict=True)
    graph.add_weighted_edges_from(edges)
    return [(min(pair), max(pair)) for pair in nx.max_weight_matching(graph)]
