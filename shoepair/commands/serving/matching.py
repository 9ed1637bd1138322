"""A folder of shoes -> which of them are pairs: the best one-to-one matching over all scores.

A matching's weight is the sum of its pairs' log odds, so the best one is the likeliest. Odds below those of "different
pairs" all weigh 0: how different two shoes are must not break up a good pair elsewhere, and such shoes stay alone.

Where every name tells left or right, left shoes are matched with right ones (`scipy.optimize.linear_sum_assignment`).
Where one does not, any shoe may be matched with any that is not known to be of its own side (networkx's
`max_weight_matching`), and two shoes of unknown sides are scored in both orders, which count half each.
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

from shoepair.commands.serving.predictor import Answer, Judge, Shoe, answer
from shoepair.data import naming
from shoepair.ingestion import scan
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError, escaped

MOST = 200  # shoes in a folder: the time grows with the square of their number
SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
Edges = dict[tuple[str, str], float]  # (left, right), or two of unknown sides -> logit, same minus different


@dataclass(frozen=True)
class Match:
    """Two shoes that are proposed as a pair; where the names tell no sides, `left` and `right` mean nothing."""

    left: str
    right: str
    answer: Answer


@dataclass(frozen=True)
class Matching:
    """What is made of a folder. Photos in = two a pair + left over + unreadable."""

    pairs: tuple[Match, ...]  # the surest first
    single: tuple[str, ...]  # shoes without a partner
    unreadable: dict[str, str]  # file -> why it is no photo
    sided: bool  # whether every name tells left or right

    @property
    def sure(self) -> bool:
        """Whether every photo was read and no pair is doubtful."""
        return not self.unreadable and all(match.answer.sure for match in self.pairs)

    def document(self) -> dict[str, Any]:
        """The matching for programs."""
        pairs = [{"left": match.left, "right": match.right} | match.answer.document() for match in self.pairs]
        rest = {"left_over": list(self.single), "unreadable": self.unreadable}
        return {"sides_known": self.sided, "pairs": pairs, **rest}


def side(name: str) -> str:
    """The side that a file name tells, by the class's grammar or a word of its own: "left", "right" or ""."""
    found = {word.lower() for word in SIDE.findall(Path(name).stem)}
    return found.pop() if len(found) == 1 else ""


def match_folder(folder: Path, judge: Judge) -> Matching:
    """Look at all shoes directly in a folder; system files are passed over.

    Raises:
        ShoepairError: there are fewer than two photos, or more than `MOST`.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not scan.is_system_file(Path(path.name)))
    if not 2 <= len(files) <= MOST:
        found = f"{escaped(str(folder))}: {len(files)} files, expected 2 to {MOST} photos of one shoe each"
        raise ShoepairError(found, fix="put the photos directly into the folder")
    shoes: dict[str, Shoe] = {}
    unreadable = {}
    for path in progress.track(files, "check", "photo"):
        try:
            shoes[escaped(path.name)] = judge.prepare(path)
        except (naming.PhotoError, OSError) as error:
            unreadable[escaped(path.name)] = str(getattr(error, "strerror", None) or error)
    sides = {name: side(name) for name in shoes}
    edges = scores(shoes, sides, judge)
    chosen = match(edges, sides, judge)
    rule = judge.rule
    pairs = [
        Match(*pair, answer(rule, rule.probability(edges[pair]), {name: shoes[name] for name in pair}))
        for pair in chosen
    ]
    pairs.sort(key=lambda pair: (-pair.answer.score, pair.left))
    taken = {name for pair in chosen for name in pair}
    single = tuple(name for name in shoes if name not in taken)
    return Matching(tuple(pairs), single, unreadable, all(sides.values()))


def scores(shoes: Mapping[str, Shoe], sides: Mapping[str, str], judge: Judge) -> Edges:
    """The logits of all pairs that may be: a left and a right shoe, or where a side is unknown, any two.

    Of two unknown sides it is the mean over both orders.
    """
    orders: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, other in combinations(shoes, 2):
        straight, crossed = (one, other), (other, one)
        if not sides[one] and not sides[other]:
            orders[straight] = [straight, crossed]
        elif sides[one] != sides[other]:
            pair = straight if sides[one] == "left" or sides[other] == "right" else crossed
            orders[pair] = [pair]
    asked = [pair for each in orders.values() for pair in each]
    logits = iter(judge.logits([(shoes[left], shoes[right]) for left, right in asked]))
    return {pair: float(np.mean([next(logits) for _ in each])) for pair, each in orders.items()}


def match(edges: Edges, sides: Mapping[str, str], judge: Judge) -> list[tuple[str, str]]:
    """The likeliest one-to-one matching: keys of `edges`, no shoe twice; none that is "different pairs"."""
    if not edges:
        return []
    evidence = {pair: logit / judge.rule.temperature for pair, logit in edges.items()}
    below = judge.rule.different_below
    # The log odds up to which two shoes are no pair; where none are ever called so, less than the least.
    floor = math.log(below) - math.log1p(-below) if below else min(evidence.values()) - 1
    weights = {pair: max(value - floor, 0.0) for pair, value in evidence.items()}
    if all(sides.values()):
        lefts = [name for name in sides if sides[name] == "left"]
        rights = [name for name in sides if sides[name] == "right"]
        matrix = np.array([[weights[left, right] for right in rights] for left in lefts])
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        found = [(lefts[row], rights[column]) for row, column in zip(rows, columns, strict=True)]
        return [pair for pair in found if weights[pair] > 0]
    graph = nx.Graph()
    graph.add_weighted_edges_from((*pair, weight) for pair, weight in weights.items() if weight > 0)
    matched = nx.max_weight_matching(graph)
    return [pair for one, other in matched for pair in ((one, other), (other, one)) if pair in edges]
