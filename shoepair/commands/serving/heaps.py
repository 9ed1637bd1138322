"""`shoepair heaps`: how many pairs of a whole heap of shoes are put together right.

A heap has the shoes of several students, whom the model was not trained on: those of valid and of both tests. They are
put together by the matching of `shoepair check FOLDER`, but so that none is left over. Either it is known which shoes
are left ones, or it is not. Heaps are drawn by the seed; all heaps of one size are of the same students.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shoepair.commands.serving import matching
from shoepair.data import parquet_files, photo_loading, schemas
from shoepair.evaluation.metrics import DIGITS, EVALUATED_SPLITS
from shoepair.models import inference, registry
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

HEAP_SIZES = (6, 20, 60, 200)  # shoes
MAX_HEAPS = 100  # of each size
SHOES_OF_ALL_HEAPS = 2000  # of one size: of large heaps there are fewer
MAX_STUDENTS = 45  # whose shoes are compared, each with each; more are drawn at random
SPREAD = (0.025, 0.975)  # of the heaps between the ends that are reported


def measure_heaps(model_name: str, seed: int) -> list[dict[str, Any]]:
    """Put heaps of shoes together and return how well that went.

    Returns:
        One entry for each size that there are enough shoes for, first with known, then with unknown sides: `model`,
        `shoes`, `sides_known`, `heaps`, and the share of the pairs `right`, the mean over the heaps; 95 % of the heaps
        lie from `low` to `high`.

    Raises:
        ShoepairError: there is no such model, or no student to test it on.
    """
    model = registry.load_model(model_name)
    rng = np.random.default_rng(seed)
    shoes = _read_shoes(rng)  # (T 3 2, S, S, 3), left and right in turn
    wanted = matching.wanted_orders([""] * len(shoes), is_symmetric=inference.is_symmetric(model))
    logits = inference.predict_logit_matrix(model, shoes, torch.from_numpy(wanted)).numpy()
    inference.raise_if_not_finite(torch.from_numpy(logits[wanted]), model_name)
    both_orders = matching.mean_over_orders(logits)
    left_first = both_orders if inference.is_symmetric(model) else logits
    entries = []
    for known in (True, False):
        sides = ["left", "right"] * (len(shoes) // 2) if known else [""] * len(shoes)
        scored = left_first if known else both_orders
        for size in HEAP_SIZES:
            if size <= len(shoes):
                shares = [_share_right(scored, sides, heap) for heap in _draw_heaps(len(shoes), size, seed)]
                low, high = np.quantile(shares, SPREAD)
                numbers = {"right": np.mean(shares), "low": low, "high": high}
                entry = {"model": model_name, "shoes": size, "sides_known": known, "heaps": len(shares)}
                entries.append(entry | {name: round(float(value), DIGITS) for name, value in numbers.items()})
    return sorted(entries, key=lambda entry: int(entry["shoes"]))


def _read_shoes(rng: np.random.Generator) -> torch.Tensor:
    """Read the photos of students whom no model is trained on, `MAX_STUDENTS` at most: (T 3 2, S, S, 3) uint8."""
    rows = parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)
    students = rows[rows["split"].isin(EVALUATED_SPLITS)]
    if students.empty:
        message = "heaps: no students in valid, test_m and test_w"
        raise ShoepairError(message, fix="set `split.valid` in params.yaml above 0, then run `dvc repro`")
    drawn = np.sort(rng.permutation(len(students))[:MAX_STUDENTS])
    return torch.from_numpy(photo_loading.read_photos(students.iloc[drawn])).flatten(0, 2)


def _draw_heaps(shoe_count: int, size: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw heaps of a size: numbers of their shoes, all shoes of each student but of the last, in random order."""
    rng = np.random.default_rng([seed, size])
    heaps = []
    for _ in range(min(MAX_HEAPS, SHOES_OF_ALL_HEAPS // size)):
        students = rng.permutation(shoe_count // 6)
        pairs = (students[:, None] * 3 + np.arange(3)).ravel()[: size // 2]
        heaps.append(rng.permutation(np.concatenate([2 * pairs, 2 * pairs + 1])))
    return heaps


def _share_right(log_odds: NDArray[np.float64], sides: list[str], heap: NDArray[np.int64]) -> float:
    """Put one heap together and return the share of its pairs that are right."""
    pairs = matching.list_best_pairs(log_odds[np.ix_(heap, heap)], [sides[shoe] for shoe in heap])
    right = sum(heap[one] // 2 == heap[other] // 2 for one, other in pairs)
    return float(right / (len(heap) // 2))
