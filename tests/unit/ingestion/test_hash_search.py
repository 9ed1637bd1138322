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
    for bits in (0, 7, 24, hash_search.MAX_SEARCHABLE_DISTANCE):
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
    assert hash_search.find_similar_hash_rows(hashes, [queries], rows[:0], bits).empty
    assert hash_search.find_similar_hash_rows(hashes[:0], [queries], rows, bits).empty
