"""Matches of perceptual hashes, kept from one run of stage `split` to the next: a photo is searched for once.

Kept are the digests of the hashes of all photos that were compared with each other, and those that matched. Nothing in
them depends on names, batches or the order of arrival: the photos of a removed batch and of a withdrawn student are
left out, those of a new batch are compared among themselves and with the others, and the result is that of a search
among all. The next run keeps the photos of the class alone.

Layout of the file, before its checksum (`checked_files`), all numbers little-endian:

    line of text   format, number of frames of a photo, max_hash_distance; number N of photos
    (N, 16) bytes  digests of the photos' hashes, ascending
    (M, 3) int32   two rows of the above, the smaller first, and the least number of bits that differ; ascending
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoepair.ingestion import hash_search, phash
from shoepair.runtime import checked_files, progress, stage_inputs

FORMAT_VERSION = 1
DIGEST_BYTES = 16

Digests = NDArray[np.void]  # (N,) of DIGEST_BYTES each
Hashes = NDArray[np.uint8]  # (N, frames + 1, 32), see phash.compute_phashes


@dataclass(frozen=True)
class HashMatches:
    """The photos that were compared with each other, and those whose hashes match.

    Args:
        digests: (N,) of the photos' hashes, each once, ascending.
        pairs: (M, 3) int64: two rows of `digests`, the smaller first, and the least number of bits that differ.
    """

    digests: Digests
    pairs: NDArray[np.int64]


NOTHING = HashMatches(np.empty(0, f"V{DIGEST_BYTES}"), np.empty((0, 3), np.int64))


def digest_hashes(blocks: Sequence[Hashes]) -> Digests:
    """Return a digest of the hashes of each photo: blocks of (N, frames + 1, 32) to (all N,)."""
    photos = chain.from_iterable(blocks)
    digests = b"".join(hashlib.blake2b(photo.data, digest_size=DIGEST_BYTES).digest() for photo in photos)
    return np.frombuffer(digests, f"V{DIGEST_BYTES}")


def match_hashes(kept: HashMatches, digests: Digests, blocks: Sequence[Hashes], max_hash_distance: int) -> HashMatches:
    """Compare the photos that were not compared before, among themselves and with the others.

    Args:
        kept: of an earlier search with the same distance.
        digests: (N,) of the photos' hashes, see `digest_hashes`.
        blocks: arrays (n, frames + 1, 32), their hashes; N photos together.
        max_hash_distance: bits that may differ.

    Returns:
        The matches of these photos alone.
    """
    present, rows, numbers = np.unique(digests, return_index=True, return_inverse=True)
    is_kept = np.isin(kept.digests, present)
    number_of_kept = np.searchsorted(present, kept.digests)
    old_pairs = kept.pairs[is_kept[kept.pairs[:, :2]].all(axis=1)]
    old_pairs = np.column_stack([number_of_kept[old_pairs[:, :2]], old_pairs[:, 2]])
    is_new = ~np.isin(present, kept.digests)
    found = _search_new(blocks, rows, numbers, is_new, max_hash_distance) if is_new.any() else old_pairs[:0]
    pairs = np.concatenate([old_pairs, found])
    return HashMatches(present, pairs[np.lexsort(pairs[:, 1::-1].T)])


def _search_new(
    blocks: Sequence[Hashes],
    rows: NDArray[np.int64],
    numbers: NDArray[np.int64],
    is_new: NDArray[np.bool],
    distance: int,
) -> NDArray[np.int64]:
    """Return the pairs (M, 3) of photos of which one or both are new.

    Args:
        blocks: see `match_hashes`.
        rows: of each photo, in the blocks.
        numbers: of the photo in each row.
        is_new: of each photo.
        distance: bits that may differ.
    """
    new, is_first = np.flatnonzero(is_new), np.zeros(len(numbers), bool)
    is_first[rows] = True  # of photos with the same hashes one is enough
    wholes = np.concatenate([block[:, [0, -1]] for block in blocks])  # (N, 2, 32): upright and mirrored
    crops = [block[:, :-1] for block in blocks]
    frames = crops[0].shape[1]
    found: list[tuple[Any, Any, Any]] = []  # one photo, the other one, distance
    # The crops of a new photo with all photos, upright or mirrored; then the other way round. The smaller side is
    # searched: that costs more than to be searched for.
    if len(new) * frames < 2 * len(rows):
        codes = _take_rows(crops, rows[new]).reshape(-1, wholes.shape[2])
        matches = hash_search.find_similar_hash_rows(codes, [wholes], np.flatnonzero(is_first), distance)
        found.append((numbers[matches["query"]], new[matches["code"] // frames], matches["hash_distance"]))
    else:
        codes = wholes[rows].reshape(-1, wholes.shape[2])
        matches = hash_search.find_similar_hash_rows(
            codes, crops, np.flatnonzero(is_first & is_new[numbers]), distance
        )
        found.append((numbers[matches["query"]], matches["code"] // 2, matches["hash_distance"]))
    if len(new) < len(rows):
        codes = wholes[rows[new]].reshape(-1, wholes.shape[2])
        matches = hash_search.find_similar_hash_rows(
            codes, crops, np.flatnonzero(is_first & ~is_new[numbers]), distance
        )
        found.append((numbers[matches["query"]], new[matches["code"] // 2], matches["hash_distance"]))
    one, other, bits = (np.concatenate([np.asarray(part[number], np.int64) for part in found]) for number in range(3))
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other), bits], axis=1)
    # A photo matches its own crops, and its own mirror image if it is symmetric: neither is a duplicate.
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs = pairs[np.lexsort(pairs.T[::-1])]  # by the two photos, the least distance first
    is_least = np.ones(len(pairs), bool)
    is_least[1:] = (pairs[1:, :2] != pairs[:-1, :2]).any(axis=1)
    distinct: NDArray[np.int64] = pairs[is_least]
    return distinct


def _take_rows(blocks: Sequence[Hashes], rows: NDArray[np.int64]) -> Hashes:
    """Return rows of blocks that are numbered through, in this order."""
    ends = np.cumsum([len(block) for block in blocks])
    number_of_block = np.searchsorted(ends, rows, side="right")
    taken = [blocks[number][row - ends[number]] for number, row in zip(number_of_block, rows, strict=True)]
    return np.stack(taken)


def write_matches(path: Path, matches: HashMatches, max_hash_distance: int) -> None:
    """Keep matches in a file, if the files that they were made from have not changed meanwhile."""
    stage_inputs.current().check_files()
    line = f"{_search_key(max_hash_distance)};{len(matches.digests)}\n".encode()
    checked_files.write_checked(path, line + matches.digests.tobytes() + matches.pairs.astype("<i4").tobytes())


def read_matches(path: Path, max_hash_distance: int) -> HashMatches:
    """Read kept matches; `NOTHING`, with a line, if they are not as they were written, or of another search."""
    content = checked_files.read_checked(path)
    if content is None:
        if path.exists():
            progress.print_above_bar(f"{path}: damaged; all photos are compared again")
        return NOTHING
    line, _, arrays = content.partition(b"\n")
    key, _, count = line.decode("ascii", "replace").partition(";")
    if key != _search_key(max_hash_distance):
        progress.print_above_bar(f"{path}: of another version or distance; all photos are compared again")
        return NOTHING
    end = DIGEST_BYTES * int(count)
    digests = np.frombuffer(arrays[:end], NOTHING.digests.dtype)
    return HashMatches(digests, np.frombuffer(arrays[end:], "<i4").reshape(-1, 3).astype(np.int64))


def _search_key(max_hash_distance: int) -> str:
    """Return what the matches of a search follow from, besides the photos."""
    return f"{FORMAT_VERSION} {len(phash.CROP_FRAMES)} {max_hash_distance}"
