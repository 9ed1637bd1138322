"""Matching of the shoes in a folder: the most probable one-to-one matching over all scores.

The weight of a matching is the sum of its pairs' log odds. Odds below the threshold of "different pairs" weigh 0: how
different two shoes are must not break up a good pair elsewhere, and such shoes stay unmatched.

If every name says left or right, left shoes are matched with right ones (`scipy.optimize.linear_sum_assignment`).
Otherwise a shoe may be matched with any that is not known to be of the same side (networkx's `max_weight_matching`);
two shoes of unknown sides get the mean logit of both orders.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy.optimize import linear_sum_assignment

from shoepair.commands.serving.predictor import PairPredictor, Prediction, ShoePhoto, make_prediction
from shoepair.data import naming
from shoepair.ingestion import ignored_files
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError, escape_unprintable

MAX_PHOTOS = 200  # in a folder: the time grows with the square of this
SIDE_PATTERN = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
PairLogits = dict[tuple[str, str], float]  # (left, right), or two of unknown side -> logit, same minus different


@dataclass(frozen=True)
class MatchedPair:
    """Two photos proposed as a pair; if the names say no side, `left` and `right` have no meaning."""

    left: str
    right: str
    prediction: Prediction


@dataclass(frozen=True)
class FolderMatching:
    """The matching of a folder. Photos = 2 x pairs + unmatched + unreadable."""

    pairs: tuple[MatchedPair, ...]  # the most probable first
    unmatched: tuple[str, ...]  # shoes without a partner
    unreadable: dict[str, str]  # file -> why it is not a photo
    sides_known: bool  # whether every name says left or right

    @property
    def is_sure(self) -> bool:
        """Whether every photo was read and every pair has a verdict."""
        return not self.unreadable and all(match.prediction.is_sure for match in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return the matching as a JSON-serializable dict."""
        pairs = [{"left": match.left, "right": match.right} | match.prediction.to_dict() for match in self.pairs]
        rest = {"unmatched": list(self.unmatched), "unreadable": self.unreadable}
        return {"sides_known": self.sides_known, "pairs": pairs, **rest}


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
        message = f"{escape_unprintable(str(folder))}: {len(files)} files, {expected}"
        raise ShoepairError(message, fix="put the photos directly into the folder")
    photos: dict[str, ShoePhoto] = {}
    unreadable = {}
    for path in progress.track(files, "check", "photo"):
        try:
            photos[escape_unprintable(path.name)] = predictor.prepare_photo(path)
        except (naming.PhotoError, OSError) as error:
            unreadable[escape_unprintable(path.name)] = str(getattr(error, "strerror", None) or error)
    sides = {name: parse_side(name) for name in photos}
    pair_logits = folder_logit_by_pair(photos, sides, predictor)
    best = list_best_pairs(pair_logits, sides, predictor)
    rule = predictor.decision_rule
    pairs = []
    for pair in best:
        score = rule.calibrated_probability(pair_logits[pair])
        pairs.append(MatchedPair(*pair, make_prediction(rule, score, {name: photos[name] for name in pair})))
    pairs.sort(key=lambda match: (-match.prediction.score, match.left))
    matched = {name for pair in best for name in pair}
    unmatched = tuple(name for name in photos if name not in matched)
    return FolderMatching(tuple(pairs), unmatched, unreadable, all(sides.values()))


def folder_logit_by_pair(
    photos: Mapping[str, ShoePhoto], sides: Mapping[str, str], predictor: PairPredictor
) -> PairLogits:
    """Compute the logits of all admissible pairs: a left and a right shoe, or any two if a side is unknown.

    Two shoes of unknown side get the mean over both orders.
    """
    orders: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, other in combinations(photos, 2):
        straight, crossed = (one, other), (other, one)
        if not sides[one] and not sides[other]:
            orders[straight] = [straight, crossed]
        elif sides[one] != sides[other]:
            pair = straight if sides[one] == "left" or sides[other] == "right" else crossed
            orders[pair] = [pair]
    ordered = [pair for pair_orders in orders.values() for pair in pair_orders]
    logits = iter(predictor.compute_logits([(photos[left], photos[right]) for left, right in ordered]))
    return {pair: float(np.mean([next(logits) for _ in pair_orders])) for pair, pair_orders in orders.items()}


def list_best_pairs(
    pair_logits: PairLogits, sides: Mapping[str, str], predictor: PairPredictor
) -> list[tuple[str, str]]:
    """Find the one-to-one matching with the largest sum of log odds, without pairs called different.

    Returns:
        Keys of `pair_logits`, no shoe twice.
    """
    if not pair_logits:
        return []
    log_odds = {pair: logit / predictor.decision_rule.temperature for pair, logit in pair_logits.items()}
    below = predictor.decision_rule.different_below
    # Log odds of the threshold "different"; without one, less than all.
    floor = math.log(below) - math.log1p(-below) if below else min(log_odds.values()) - 1
    weights = {pair: max(value - floor, 0.0) for pair, value in log_odds.items()}
    if all(sides.values()):
        lefts = [name for name in sides if sides[name] == "left"]
        rights = [name for name in sides if sides[name] == "right"]
        matrix = np.array([[weights[left, right] for right in rights] for left in lefts])
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        pairs = [(lefts[row], rights[column]) for row, column in zip(rows, columns, strict=True)]
        return [pair for pair in pairs if weights[pair] > 0]
    graph = nx.Graph()
    graph.add_weighted_edges_from((*pair, weight) for pair, weight in weights.items() if weight > 0)
    matched = nx.max_weight_matching(graph)
    return [pair for one, other in matched for pair in ((one, other), (other, one)) if pair in pair_logits]
