"""Near-duplicate photos (re-encoded, cropped, mirrored), found by perceptual hash.

Two photos are near-duplicates if the hash of a crop of one (see phash.py) differs in few bits from the hash of the
other, upright or mirrored. In a real class of 113 students the least distance of two different photos is 32 of 256
bits. Of 60 of these photos, re-encoded, cropped or mirrored in ten ways, 599 of 600 copies are within 20 bits.

Photos that an earlier run compared are not compared again (kept_matches.py); the search is that of hash_search.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data.wording import count_with_noun
from shoepair.ingestion import kept_matches, phash
from shoepair.ingestion.kept_matches import HashMatches
from shoepair.runtime.errors import ShoepairError

PHOTO_KEY_COLUMNS = ["batch", "student", "path"]
STATS_COLUMNS = ["path", "student", "phashes"]


def find_near_duplicate_rows(
    image_stats_by_batch: Iterable[tuple[str, pd.DataFrame]],
    max_hash_distance: int,
    kept: HashMatches = kept_matches.NOTHING,
) -> tuple[pd.DataFrame, HashMatches]:
    """Find all near-duplicate photos of a class.

    Args:
        image_stats_by_batch: batch and `STATS_COLUMNS` of some of its `ImageStats` rows; batches in order.
        max_hash_distance: bits that may differ.
        kept: photos that were compared before.

    Returns:
        `NearDuplicates` rows, and what is kept for the next search.
    """
    tables, blocks = [], []
    for batch, stats in image_stats_by_batch:
        blocks.append(phash.decode_phash_bytes(stats))
        tables.append(stats[["student", "path"]].assign(batch=batch))
    photos, digests = pd.concat(tables, ignore_index=True), kept_matches.digest_hashes(blocks)
    matches = kept_matches.match_hashes(kept, digests, blocks, max_hash_distance)
    pairs = _pair_photos(np.searchsorted(matches.digests, digests), matches.pairs)
    ordered = pd.concat([pairs, pairs.rename(columns={"one": "other", "other": "one"})])
    ordered = ordered.sort_values(["one", "other"], ignore_index=True)
    keys = [photos.loc[ordered[name], PHOTO_KEY_COLUMNS].reset_index(drop=True) for name in ("one", "other")]
    return keys[0].join(keys[1].add_prefix("other_")).join(ordered["hash_distance"]), matches


def _pair_photos(hash_numbers: NDArray[np.int64], matches: NDArray[np.int64]) -> pd.DataFrame:
    """Return each pair of matching photos once: columns `one` < `other`, `hash_distance`.

    Args:
        hash_numbers: of each photo; photos of the same number have the same hashes.
        matches: (M, 3) two numbers and their distance.
    """
    photos = pd.DataFrame({"number": hash_numbers, "photo": np.arange(len(hash_numbers))})
    shared = photos[photos["number"].duplicated(keep=False)]
    same = shared.merge(shared, on="number", suffixes=("_one", "_other")).assign(hash_distance=0)
    matched = pd.DataFrame(matches, columns=["number_one", "number_other", "hash_distance"])
    for side in ("_one", "_other"):
        matched = matched.merge(photos.add_suffix(side), on=f"number{side}")
    both = pd.concat([table[["photo_one", "photo_other", "hash_distance"]] for table in (same, matched)])
    numbers = np.sort(both[["photo_one", "photo_other"]].to_numpy(), axis=1)
    pairs = pd.DataFrame({"one": numbers[:, 0], "other": numbers[:, 1], "hash_distance": both["hash_distance"].array})
    return pairs[pairs["one"] != pairs["other"]].drop_duplicates(["one", "other"])


def near_duplicates_sentence(duplicate_rows: pd.DataFrame) -> str:
    """Return a sentence with the number of near-duplicates within and between students."""
    within = duplicate_rows["student"] == duplicate_rows["other_student"]
    return f"near-duplicates: {within.sum() // 2} within a student, {(~within).sum() // 2} between students"


def raise_if_across_splits(duplicate_rows: pd.DataFrame, split_rows: pd.DataFrame) -> None:
    """Raise an error if near-duplicate photos are in different splits: a model could be tested on training photos.

    Args:
        duplicate_rows: `NearDuplicates` rows.
        split_rows: `StudentSplits` rows.

    Raises:
        ShoepairError: lists every two such photos.
    """
    splits = split_rows.set_index("student")["split"]  # no student is in two batches
    rows = duplicate_rows.assign(
        split=duplicate_rows["student"].map(splits),
        other_split=duplicate_rows["other_student"].map(splits),
        photo=duplicate_rows["batch"] + "/" + duplicate_rows["path"],
        other_photo=duplicate_rows["other_batch"] + "/" + duplicate_rows["other_path"],
    )
    leaks = rows[(rows["photo"] < rows["other_photo"]) & (rows["split"] != rows["other_split"])]  # every two once
    if leaks.empty:
        return
    problems = [
        f"{row.photo} ({row.split}) and {row.other_photo} ({row.other_split}): "
        f"{row.hash_distance} of {phash.HASH_BITS} bits differ"
        for row in leaks.itertuples()
    ]
    count = count_with_noun(len(leaks), "photo")
    message = f"data/raw: {count} in two splits, re-encoded, cropped or mirrored"
    least = int(leaks["hash_distance"].min())
    other = f"if they are different photos, set `split.max_hash_distance` to {least - 1}" if least else "look at them"
    fix = f"`shoepair forget` one of the two students, then run `dvc repro`; or, {other}"
    raise ShoepairError(message, problems=problems, fix=fix)
