"""Search for perceptual hashes that differ in few bits: none is missed, and few others are looked at.

Multi-index hashing (Norouzi, Punjani and Fleet: "Fast search in Hamming space with multi-index hashing", 2012): two
hashes that differ in at most 2 P - 1 bits differ in at most one bit of one of P parts. So the table of a part has an
entry for every hash and each of its one-bit changes, and a query looks up its own part alone. If they differ in D bits
only, that holds with 2 P - 1 - D of the parts not differing at all, and those need no changes (Qin et al.: "GPH:
Similarity search in Hamming space", 2018). As arrays, a part at a time, this takes a fraction of the time of faiss's
`IndexBinaryMultiHash`, which changes the bits of every query instead. Queries are looked up as they lie in memory, and
a table is filled in the order of its keys, which is that of its memory: sixty thousand photos, each with all its
crops, are searched among themselves in some 3 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
Words = NDArray[np.uint64]  # (..., 4): the same bytes


def find_similar_hash_rows(
    hashes: Codes, query_blocks: Sequence[NDArray[np.uint8]], query_rows: NDArray[np.int64], max_hash_distance: int
) -> pd.DataFrame:
    """Find all hashes within a Hamming distance of those of queries.

    Args:
        hashes: (N, 32) uint8, those that are searched; the time grows with N more than with the number of queries.
        query_blocks: arrays (Q, F, 32) uint8 whose last axis is contiguous: F hashes of each query, of which the
            nearest counts. The blocks are numbered through.
        query_rows: those of the queries that are searched for.
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
    distinct, number_of_code = np.unique(_as_words(np.ascontiguousarray(hashes)), axis=0, return_inverse=True)
    parts = max(MIN_PARTS, max_hash_distance // 2 + 1)
    part_bits = phash.HASH_BITS // parts
    frames = query_blocks[0].shape[1] if query_blocks else 0
    entries, lookups = len(distinct) * (part_bits + 1), len(query_rows) * frames
    places = max(1, entries, min(lookups, MAX_PLACES_PER_ENTRY * entries))
    key_bits = min(part_bits, int(np.ceil(np.log2(places))))  # of a part, a prefix is enough for a small table
    chunks = list(_iter_chunks(query_blocks, np.sort(query_rows)))
    found = [np.empty((3, 0), np.int64)]
    for number in range(parts if len(distinct) else 0):
        is_exact = number < 2 * parts - 1 - max_hash_distance
        flips = [] if is_exact else [1 << bit for bit in range(key_bits)]
        found.extend(_match_part(distinct, chunks, (number * part_bits, key_bits), flips, max_hash_distance))
    matches = pd.DataFrame(np.concatenate(found, axis=1).T, columns=["query", "number", "hash_distance"])
    nearest = matches.groupby(["query", "number"])["hash_distance"].min().reset_index()
    codes = pd.DataFrame({"number": number_of_code, "code": np.arange(len(hashes))})
    every = nearest.merge(codes, on="number")[["query", "code", "hash_distance"]]
    return every.sort_values(["query", "code"], ignore_index=True)


@dataclass(frozen=True)
class _Chunk:
    """Some queries of a block."""

    words: Words  # (Q, F, 4), of the block
    rows: NDArray[np.int64]  # in the block, ascending
    first: int  # the number of the block's first query

    def select_words(self) -> Words:
        """Return the hashes of the chunk's queries: (Q, F, 4); not copied where the rows are a range."""
        is_range = self.rows[-1] - self.rows[0] == len(self.rows) - 1
        return self.words[self.rows[0] : self.rows[-1] + 1] if is_range else self.words[self.rows]


def _iter_chunks(query_blocks: Sequence[NDArray[np.uint8]], query_rows: NDArray[np.int64]) -> Iterator[_Chunk]:
    """Yield the queries in chunks, each of one block; `query_rows` ascend."""
    first = 0
    for block in query_blocks:
        begin, end = np.searchsorted(query_rows, [first, first + len(block)])
        words = _as_words(block)
        for start in range(begin, end, QUERIES_PER_CHUNK):
            yield _Chunk(words, query_rows[start : min(end, start + QUERIES_PER_CHUNK)] - first, first)
        first += len(block)


def _match_part(
    hashes: Words, chunks: Sequence[_Chunk], part: tuple[int, int], flips: Sequence[int], max_distance: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the matches that agree in a part, or but for one of the flips: arrays (3, M) of query, code and distance.

    The part is the number of its first bit, and of its bits.
    """
    keys = _extract_keys(hashes, *part)
    order = np.argsort(keys, kind="stable")
    table = _build_table(keys[order], part[1], flips)
    # Most candidates differ in too many bits of a word that has no bit of the part.
    word = (part[0] // WORD_BITS + WORDS // 2) % WORDS
    hash_words = hashes[order, word]
    for chunk in chunks:
        words = chunk.select_words()
        keys = _extract_keys(words, *part).ravel()
        queries = np.flatnonzero(table.is_filled.take(keys))
        entries = table.first.take(keys[queries])
        query_words = words[..., word].ravel()[queries]
        while len(queries):
            codes = entries & table.code_mask
            near = np.flatnonzero(np.bitwise_count(query_words ^ hash_words.take(codes)) <= max_distance)
            if len(near):
                queries_near, codes_near = np.divmod(queries[near], words.shape[1]), order[codes[near]]
                differing = words[queries_near] ^ hashes[codes_near]
                distances = np.bitwise_count(differing).sum(axis=1, dtype=np.int64)
                is_match = distances <= max_distance
                rows = chunk.rows[queries_near[0][is_match]] + chunk.first
                yield np.stack([rows, codes_near[is_match], distances[is_match]])
            entries = table.following.take(entries)
            more = np.flatnonzero(entries != NONE)
            queries, entries, query_words = queries[more], entries[more], query_words[more]


@dataclass(frozen=True)
class _Table:
    """Entries by key, those of one key as a chain. An entry is a number: the flipped bit, then the code."""

    is_filled: NDArray[np.bool]  # (keys,) whether a key has an entry: small, so that most lookups end here
    first: NDArray[np.int32]  # (keys,) the first entry of a key
    following: NDArray[np.int32]  # (entries,) the next entry of the same key, or NONE
    code_mask: int  # an entry's bits that are the number of its code


def _build_table(keys: NDArray[np.int64], bits: int, flips: Sequence[int]) -> _Table:
    """Return a table with an entry for every key and each of its changes by `flips`; the keys ascend."""
    shift = len(keys).bit_length()
    first = np.full(1 << bits, NONE, np.int32)
    following = np.full((len(flips) + 1) << shift, NONE, np.int32)
    for codes in _group_distinct(keys):
        group_keys, numbers = keys[codes], codes.astype(np.int32)
        for number, flip in enumerate([0, *flips]):
            flipped = group_keys ^ flip  # all different, as the keys of the group are
            entries = numbers | np.int32(number << shift)
            following[entries] = first[flipped]
            first[flipped] = entries
    return _Table(first != NONE, first, following, (1 << shift) - 1)


def _group_distinct(keys: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield groups of the numbers of ascending keys, in each of which no two keys are equal."""
    is_repeated = np.zeros(len(keys), bool)
    is_repeated[1:] = keys[1:] == keys[:-1]
    numbers = np.arange(len(keys))
    ranks = numbers - np.maximum.accumulate(np.where(is_repeated, 0, numbers))  # among the equal ones
    by_rank = np.argsort(ranks, kind="stable")
    yield from np.split(by_rank, np.cumsum(np.bincount(ranks))[:-1])


def _extract_keys(hashes: Words, first_bit: int, bits: int) -> NDArray[np.int64]:
    """Return bits `first_bit`.. of each hash as a number: (..., 4) to (...)."""
    word, offset = divmod(first_bit, WORD_BITS)
    keys = hashes[..., word] >> np.uint64(offset)
    if offset + bits > WORD_BITS:
        keys |= hashes[..., word + 1] << np.uint64(WORD_BITS - offset)
    keys &= np.uint64((1 << bits) - 1)
    return keys.view(np.int64)


def _as_words(hashes: NDArray[np.uint8]) -> Words:
    """Return the same bytes as four words of 64 bits: (..., 32) to (..., 4)."""
    return hashes.view(np.uint64)
