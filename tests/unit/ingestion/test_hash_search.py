"""The search for similar hashes misses none, and finds no others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from shoepair.ingestion import hash_search, phash


def test_search_equals_an_exhaustive_comparison() -> None:
    rng = np.random.default_rng(2)
    hashes = rng.integers(0, 256, (400, 32), np.uint8)
    queries = np.concatenate([flip_bits(hashes[:60], bits, rng) for bits in range(30)])
    distances = np.unpackbits(hashes[None] ^ queries[:, None], axis=-1).sum(axis=-1)
    for bits in (0, 7, 12, 20, 21, 24, hash_search.MAX_SEARCHABLE_DISTANCE):
        matches = hash_search.find_similar_hash_rows(hashes, [queries[:, None]], np.arange(len(queries)), bits)
        expected = np.argwhere(distances <= bits)
        assert matches[["query", "code"]].to_numpy().tolist() == expected.tolist()
        assert matches["hash_distance"].tolist() == distances[tuple(expected.T)].tolist()
    with pytest.raises(ValueError, match="expected 25 at most"):
        hash_search.find_similar_hash_rows(
            hashes, [queries[:, None]], np.arange(len(queries)), hash_search.MAX_SEARCHABLE_DISTANCE + 1
        )


def flip_bits(hashes: NDArray[np.uint8], count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    bits = np.unpackbits(hashes, axis=-1)
    for row in bits:
        row[rng.choice(phash.HASH_BITS, count, replace=False)] ^= 1
    return np.packbits(bits, axis=-1)


@pytest.mark.parametrize("bits", [20, 25])
def test_chunks_and_the_frames_of_a_query_change_nothing(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 256, (50, 32), np.uint8)
    queries = np.stack([flip_bits(hashes, count, rng) for count in (24, 30, 18)], axis=1)  # (50, 3, 32)
    rows = np.array([7, 3, 40, 11])
    found = hash_search.find_similar_hash_rows(hashes, [queries], rows, bits)
    nearest = np.unpackbits(hashes[None, :, None] ^ queries[:, None], axis=-1).sum(axis=-1).min(axis=-1)
    expected = [pair for pair in np.argwhere(nearest <= bits).tolist() if pair[0] in rows]
    assert found[["query", "code"]].to_numpy().tolist() == expected
    assert found["hash_distance"].tolist() == [nearest[tuple(pair)] for pair in expected]
    monkeypatch.setattr(hash_search, "QUERIES_PER_CHUNK", 3)
    assert hash_search.find_similar_hash_rows(hashes, [queries], rows, bits).equals(found)
    blocks = [queries[:7], queries[7:7], queries[7:12], queries[12:]]
    assert hash_search.find_similar_hash_rows(hashes, blocks, rows, bits).equals(found)
    assert hash_search.find_similar_hash_rows(hashes, [queries], rows[:0], bits).empty
    assert hash_search.find_similar_hash_rows(hashes[:0], [queries], rows, bits).empty


@pytest.mark.parametrize(("distance", "parts"), [(20, 11), (21, 11), (22, 12), (25, 13)])
def test_hashes_that_differ_alike_in_all_parts_but_one_are_found(distance: int, parts: int) -> None:
    """Two bits in each part, but for one or two parts that differ in one: as many as are searched for."""
    rng, length = np.random.default_rng(4), phash.HASH_BITS // parts
    hashes = rng.integers(0, 256, (300, 32), np.uint8)
    for least in range(parts):
        counts = np.full(parts, 2)
        counts[np.arange(least, least + 2 * parts - distance) % parts] -= 1
        bits = np.unpackbits(hashes[:1], axis=-1, bitorder="little")[0]
        for part, count in enumerate(counts):
            bits[part * length + rng.choice(8, count, replace=False)] ^= 1  # those that a small table looks at
        query = np.packbits(bits, bitorder="little")[None, None]
        found = hash_search.find_similar_hash_rows(hashes, [query], np.array([0]), distance)
        assert found.to_numpy().tolist() == [[0, 0, distance]], least
