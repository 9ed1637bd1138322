"""Near-duplicate photos (re-encoded, cropped, mirrored), found by perceptual hash.

Two photos are near-duplicates if the hash of a crop of one (see phash.py) differs in few bits from the hash of the
other, upright or mirrored. In a real class of 113 students the least distance of two different photos is 32 of 256
bits. Of 60 of these photos, re-encoded, cropped or mirrored in ten ways, 599 of 600 copies are within 20 bits.

The search is multi-index hashing (Norouzi, Punjani and Fleet: "Fast search in Hamming space with multi-index hashing",
2012), as implemented in faiss: hashes that differ in few bits differ in at most one bit of one of thirteen parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.ingestion import phash
from shoepair.runtime.errors import ShoepairError

HASH_PARTS, BITS_PER_PART = 13, 19
MAX_FLIPS_PER_PART = 1  # bits in which the matching part may differ
# Up to this distance no match is missed: with one more bit, all parts could differ in two.
MAX_SEARCHABLE_DISTANCE = HASH_PARTS * (MAX_FLIPS_PER_PART + 1) - 1
PHOTO_KEY_COLUMNS = ["batch", "student", "path"]


def find_similar_hash_rows(
    hashes: NDArray[np.uint8], query_hashes: NDArray[np.uint8], max_hash_distance: int
) -> pd.DataFrame:
    """Find all hashes within a Hamming distance of query hashes.

    Args:
        hashes: (N, 32) uint8, those that are searched.
        query_hashes: (Q, 32) uint8, those that are searched for.
        max_hash_distance: bits that may differ, at most `MAX_SEARCHABLE_DISTANCE`.

    Returns:
        Columns `query`, `code` (row numbers of query and hash) and `hash_distance`, sorted by the first two.

    Raises:
        ValueError: `max_hash_distance` is above `MAX_SEARCHABLE_DISTANCE`.
    """
    import faiss  # imported here: slow to load, and only stage `split` needs it

    if max_hash_distance > MAX_SEARCHABLE_DISTANCE:
        message = f"{max_hash_distance} bits, expected {MAX_SEARCHABLE_DISTANCE} at most"
        raise ValueError(message)
    index = faiss.IndexBinaryMultiHash(phash.HASH_BITS, HASH_PARTS, BITS_PER_PART)
    index.nflip = MAX_FLIPS_PER_PART
    index.add(np.ascontiguousarray(hashes))
    # range_search excludes its limit.
    ends, distances, codes = index.range_search(np.ascontiguousarray(query_hashes), max_hash_distance + 1)
    counts = np.asarray(ends[1:] - ends[:-1], np.int64)
    queries = np.repeat(np.arange(len(query_hashes)), counts)
    columns = {"query": queries, "code": codes.astype(np.int64), "hash_distance": distances.astype(np.int64)}
    return pd.DataFrame(columns).sort_values(["query", "code"], ignore_index=True)


def find_near_duplicate_rows(image_stats_by_batch: Mapping[str, pd.DataFrame], max_hash_distance: int) -> pd.DataFrame:
    """Find all near-duplicate photos of a class (batch -> `ImageStats` rows); return `NearDuplicates` rows."""
    photos = pd.concat([rows.assign(batch=batch) for batch, rows in image_stats_by_batch.items()], ignore_index=True)
    hashes = phash.decode_phash_bytes(photos)
    crops, upright, mirrored = hashes[:, :-1], hashes[:, 0], hashes[:, -1]
    frames, count = crops.shape[1], len(photos)
    matches = find_similar_hash_rows(
        np.concatenate([upright, mirrored]), crops.reshape(-1, crops.shape[-1]), max_hash_distance
    )
    ones, others = matches["query"] // frames, matches["code"] % count
    pairs = pd.DataFrame(
        {"one": np.minimum(ones, others), "other": np.maximum(ones, others), "hash_distance": matches["hash_distance"]}
    )
    # A photo matches its own crops, and its own mirror image if it is symmetric: neither is a duplicate.
    pairs = pairs[pairs["one"] != pairs["other"]].groupby(["one", "other"])["hash_distance"].min().reset_index()
    ordered = pd.concat([pairs, pairs.rename(columns={"one": "other", "other": "one"})])
    ordered = ordered.sort_values(["one", "other"], ignore_index=True)
    keys = [photos.loc[ordered[name], PHOTO_KEY_COLUMNS].reset_index(drop=True) for name in ("one", "other")]
    return keys[0].join(keys[1].add_prefix("other_")).join(ordered["hash_distance"])


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
    count = f"{len(leaks)} photo{'s' if len(leaks) > 1 else ''}"
    message = f"data/raw: {count} in two splits, re-encoded, cropped or mirrored"
    least = int(leaks["hash_distance"].min())
    other = f"if they are different photos, set `split.max_hash_distance` to {least - 1}" if least else "look at them"
    fix = f"`shoepair forget` one of the two students, then run `dvc repro`; or, {other}"
    raise ShoepairError(message, problems=problems, fix=fix)
