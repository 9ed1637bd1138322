"""Search for perceptual hashes that differ in few bits: none is missed, and few others are looked at.

Multi-index hashing (Norouzi, Punjani and Fleet: "Fast search in Hamming space with multi-index hashing", 2012): two
hashes that differ in at most 2 P - 1 bits differ in at most one bit of one of P parts. So the table of a part has an
entry for every hash and each of its one-bit changes, and a query looks up its own part alone. As arrays, a part at a
time, this takes a fraction of the time of faiss's `IndexBinaryMultiHash`, which changes the bits of every query
instead. Queries are looked up as they lie in memory, and nothing is sorted but the hashes' own parts: sixty thousand
photos, each with all its crops, are searched among themselves in some 4 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.ingestion import phash

MAX_FLIPS_PER_PART = 1  # bits in which the matching part may differ
MIN_PARTS, MAX_PARTS = 11, 13  # fewer parts would need larger tables; with more, parts are short and matches many
# Up to this distance no match is missed: with one more bit, all parts could differ in two.
MAX_SEARCHABLE_DISTANCE = MAX_PARTS * (MAX_FLIPS_PER_PART + 1) - 1
MAX_PLACES_PER_ENTRY = 16  # of a table: more places cost more to fill, fewer give more candidates a query
QUERIES_PER_CHUNK = 1 << 10  # looked up at a time, with all their hashes; no result depends on it
WORD_BITS, WORDS = 64, phash.HASH_BITS // 64
NONE = -1  # no entry

Codes = NDArray[np.uint8]  # (N, 32)
Words = NDArray[np.uint64]  # (N, 4): the same bytes


def find_similar_hash_rows(
    hashes: Codes, query_hashes: NDArray[np.uint8], query_rows: NDArray[np.int64], max_hash_distance: int
) -> pd.DataFrame:
    """Find all hashes within a Hamming distance of those of queries.

    Args:
        hashes: (N, 32) uint8, those that are searched; the time grows with N more than with the number of queries.
        query_hashes: (Q, F, 32) uint8: F hashes of each query, of which the nearest counts.
        query_rows: those of the Q queries that are searched for.
        max_hash_distance: bits that may differ, at most `MAX_SEARCHABLE_DISTANCE`.

    Returns:
        Columns `query`, `code` (row numbers of query and hash) and `hash_distance`, sorted by the first two.

    Raises:
        ValueError: `max_hash_distance` is above `MAX_SEARCHABLE_DISTANCE`.
    """
    if max_hash_distance > MAX_SEARCHABLE_DISTANCE:
        message = f"{max_hash_distance} bits, expected {MAX_SEARCHABLE_DISTANCE} at most"
        raise ValueError(message)
    # Each hash once: many of one key would be a long chain.
    distinct, number_of_code = np.unique(_as_words(hashes), axis=0, return_inverse=True)
    parts = max(MIN_PARTS, max_hash_distance // 2 + 1)
    part_bits = phash.HASH_BITS // parts
    entries, lookups = len(distinct) * (part_bits + 1), len(query_rows) * query_hashes.shape[1]
    places = max(1, entries, min(lookups, MAX_PLACES_PER_ENTRY * entries))
    key_bits = min(part_bits, int(np.ceil(np.log2(places))))  # of a part, a prefix is enough for a small table
    rows = np.sort(query_rows)
    found = [np.empty((3, 0), np.int64)]
    for first_bit in range(0, parts * part_bits if len(distinct) else 0, part_bits):
        found.extend(_match_part(distinct, query_hashes, rows, (first_bit, key_bits), max_hash_distance))
    matches = pd.DataFrame(np.concatenate(found, axis=1).T, columns=["query", "number", "hash_distance"])
    nearest = matches.groupby(["query", "number"])["hash_distance"].min().reset_index()
    codes = pd.DataFrame({"number": number_of_code, "code": np.arange(len(hashes))})
    every = nearest.merge(codes, on="number")[["query", "code", "hash_distance"]]
    return every.sort_values(["query", "code"], ignore_index=True)


def _match_part(
    hashes: Words,
    query_hashes: NDArray[np.uint8],
    query_rows: NDArray[np.int64],
    part: tuple[int, int],
    max_distance: int,
) -> Iterator[NDArray[np.int64]]:
    """Yield the matches that agree in a part but for one bit: arrays (3, M) of query, code and distance.

    The part is the number of its first bit, and of its bits; `query_rows` ascend.
    """
    table = _build_table(_extract_keys(hashes, *part), part[1])
    # Most candidates differ in too many bits of a word that has no bit of the part.
    word = (part[0] // WORD_BITS + WORDS // 2) % WORDS
    hash_words, frames = np.ascontiguousarray(hashes[:, word]), query_hashes.shape[1]
    for begin in range(0, len(query_rows), QUERIES_PER_CHUNK):
        rows = query_rows[begin : begin + QUERIES_PER_CHUNK]
        is_range = rows[-1] - rows[0] == len(rows) - 1  # nothing is copied
        chunk = _as_words(query_hashes[rows[0] : rows[-1] + 1] if is_range else query_hashes[rows])
        keys = _extract_keys(chunk, *part)
        queries = np.flatnonzero(table.is_filled[keys])
        entries = table.first[keys[queries]]
        while len(queries):
            codes = entries & table.code_mask
            near = np.bitwise_count(chunk[queries, word] ^ hash_words[codes]) <= max_distance
            near_queries, near_codes = queries[near], codes[near]
            distances = np.bitwise_count(chunk[near_queries] ^ hashes[near_codes]).sum(axis=1, dtype=np.int64)
            near = distances <= max_distance
            if near.any():
                yield np.stack([rows[near_queries[near] // frames], near_codes[near], distances[near]])
            entries = table.following[entries]
            is_entry = entries != NONE
            queries, entries = queries[is_entry], entries[is_entry]


@dataclass(frozen=True)
class _Table:
    """Entries by key, those of one key as a chain. An entry is a number: the flipped bit, then the code."""

    is_filled: NDArray[np.bool]  # (keys,) whether a key has an entry: small, so that most lookups end here
    first: NDArray[np.int32]  # (keys,) the first entry of a key
    following: NDArray[np.int32]  # (entries,) the next entry of the same key, or NONE
    code_mask: int  # an entry's bits that are the number of its code


def _build_table(keys: NDArray[np.int64], bits: int) -> _Table:
    """Return a table with an entry for every key and each of its one-bit changes."""
    shift = len(keys).bit_length()
    first = np.full(1 << bits, NONE, np.int32)
    following = np.full((bits + 1) << shift, NONE, np.int32)
    for codes in _group_distinct(keys):
        for number, flip in enumerate([0, *(1 << bit for bit in range(bits))]):
            flipped = keys[codes] ^ flip  # all different, as the keys of the group are
            entries = codes | (number << shift)
            following[entries] = first[flipped]
            first[flipped] = entries
    return _Table(first != NONE, first, following, (1 << shift) - 1)


def _group_distinct(keys: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield groups of the numbers of keys, in each of which no two keys are equal."""
    order = np.argsort(keys, kind="stable")
    is_repeated = np.zeros(len(keys), bool)
    is_repeated[1:] = keys[order[1:]] == keys[order[:-1]]
    numbers = np.arange(len(keys))
    ranks = numbers - np.maximum.accumulate(np.where(is_repeated, 0, numbers))  # among the equal ones
    by_rank = order[np.argsort(ranks, kind="stable")]
    yield from np.split(by_rank, np.cumsum(np.bincount(ranks))[:-1])


def _extract_keys(hashes: Words, first_bit: int, bits: int) -> NDArray[np.int64]:
    """Return bits `first_bit`.. of each hash as a number: (N, 4) to (N,)."""
    word, offset = divmod(first_bit, WORD_BITS)
    keys = hashes[:, word] >> np.uint64(offset)
    if offset + bits > WORD_BITS:
        keys |= hashes[:, word + 1] << np.uint64(WORD_BITS - offset)
    keys &= np.uint64((1 << bits) - 1)
    return keys.view(np.int64)


def _as_words(hashes: NDArray[np.uint8]) -> Words:
    """Return the same bytes as four words of 64 bits: (..., 32) to (N, 4)."""
    return np.ascontiguousarray(hashes).reshape(-1, phash.HASH_BITS // 8).view(np.uint64)
