"""One photo twice: re-encoded, cropped a little or mirrored, within a student, between students, between splits.

Two photos are near-duplicates when a fingerprint of a part of one (see phash.py) is within some bits of that of the
other as a whole, upright or mirrored. On the photos of a real class of 113 students the least distance between two
different photos is 32 of the 256 bits; of 60 of them, re-encoded, cropped or mirrored in ten ways, 599 of 600 copies
are within 20.

The search is multi-index hashing (Norouzi, Punjani and Fleet: "Fast search in Hamming space with multi-index hashing",
2012) as faiss does it: fingerprints that differ by few bits agree, but for one bit, in one of thirteen parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.ingestion import phash
from shoepair.runtime.errors import ShoepairError

PARTS, PART = 13, 19  # parts of a fingerprint, and their bits
FLIPS = 1  # bits by which a part may differ
LIMIT = PARTS * (FLIPS + 1) - 1  # bits up to which nothing is missed: with one more, all parts could differ by two
COPY = ["batch", "student", "path"]


def search(codes: NDArray[np.uint8], queries: NDArray[np.uint8], bits: int) -> pd.DataFrame:
    """All fingerprints near others.

    Args:
        codes: (N, 32) bytes, those that are searched.
        queries: (Q, 32) bytes, those that are searched for.
        bits: that may differ, at most `LIMIT`.

    Returns:
        Columns `query`, `code` (row numbers) and `bits`, in the order of the first two.

    Raises:
        ValueError: more bits than `LIMIT`.
    """
    import faiss  # here, since it takes a while, and only the stage `split` searches

    if bits > LIMIT:
        text = f"{bits} bits, expected {LIMIT} at most"
        raise ValueError(text)
    index = faiss.IndexBinaryMultiHash(phash.BITS, PARTS, PART)
    index.nflip = FLIPS
    index.add(np.ascontiguousarray(codes))
    ends, distances, found = index.range_search(np.ascontiguousarray(queries), bits + 1)  # below, not up to
    lengths = np.asarray(ends[1:] - ends[:-1], np.int64)
    rows = np.repeat(np.arange(len(queries)), lengths)
    frame = pd.DataFrame({"query": rows, "code": found.astype(np.int64), "bits": distances.astype(np.int64)})
    return frame.sort_values(["query", "code"], ignore_index=True)


def find(measured: Mapping[str, pd.DataFrame], bits: int) -> pd.DataFrame:
    """All near-duplicates of a class (batch -> `Signs` rows), within some bits, as `Duplicates` rows."""
    whole = pd.concat([rows.assign(batch=batch) for batch, rows in measured.items()], ignore_index=True)
    prints = phash.prints(whole)
    parts, upright, mirrored = prints[:, :-1], prints[:, 0], prints[:, -1]
    frames, count = parts.shape[1], len(whole)
    got = search(np.concatenate([upright, mirrored]), parts.reshape(-1, parts.shape[-1]), bits)
    ones, others = got["query"] // frames, got["code"] % count
    pairs = pd.DataFrame({"one": np.minimum(ones, others), "other": np.maximum(ones, others), "bits": got["bits"]})
    # A part of a photo is near the photo itself; and a picture that is its own mirror image is no duplicate.
    pairs = pairs[pairs["one"] != pairs["other"]].groupby(["one", "other"])["bits"].min().reset_index()
    both = pd.concat([pairs, pairs.rename(columns={"one": "other", "other": "one"})])
    both = both.sort_values(["one", "other"], ignore_index=True)
    sides = [whole.loc[both[name], COPY].reset_index(drop=True) for name in ("one", "other")]
    return sides[0].join(sides[1].add_prefix("other_")).join(both["bits"])


def counts(found: pd.DataFrame) -> str:
    """How many there are, in words."""
    within = found["student"] == found["other_student"]
    return f"near-duplicates: {within.sum() // 2} within a student, {(~within).sum() // 2} between students"


def refuse_across(found: pd.DataFrame, split: pd.DataFrame) -> None:
    """No photo may be in two splits: a network would be asked about what it was taught.

    Args:
        found: `Duplicates` rows.
        split: `Split` rows.

    Raises:
        ShoepairError: names every two photos.
    """
    dealt = split.set_index("student")["split"]  # no student is in two batches
    named = found.assign(
        split=found["student"].map(dealt),
        other_split=found["other_student"].map(dealt),
        place=found["batch"] + "/" + found["path"],
        other_place=found["other_batch"] + "/" + found["other_path"],
    )
    leaks = named[(named["place"] < named["other_place"]) & (named["split"] != named["other_split"])]  # each two once
    if leaks.empty:
        return
    problems = [
        f"{row.place} ({row.split}) and {row.other_place} ({row.other_split}): {row.bits} of {phash.BITS} bits differ"
        for row in leaks.itertuples()
    ]
    count = f"{len(leaks)} photo{'s' if len(leaks) > 1 else ''}"
    text = f"data/raw: {count} in two splits, re-encoded, cropped or mirrored"
    least = int(leaks["bits"].min())
    other = f"if they are different photos, set `split.duplicate_bits` to {least - 1}" if least else "look at them"
    fix = f"`shoepair forget` one of the two students, then run `dvc repro`; or, {other}"
    raise ShoepairError(text, problems=problems, fix=fix)
