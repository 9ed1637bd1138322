"""Time of the search for near-duplicates among a million fingerprints, compared with brute force.

The fingerprints are random; some are copies of others with as many bits changed as the project accepts for one photo.
Brute force compares all with all; it is measured on some fingerprints and extrapolated, since it would take too long.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.output import print_results
from shoepair.ingestion import hash_search, phash
from shoepair.ingestion.config import SplitConfig
from shoepair.runtime import params

PLANTED = 1000  # copies
COMPARED = 2000  # fingerprints that brute force compares with all


def measure(count: int, bits: int, seed: int) -> dict[str, Any]:
    """Search each of `count` fingerprints among all.

    Returns:
        Seconds of both methods, the share of planted copies that was found, other matches, peak memory.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (count, phash.HASH_BITS // 8), np.uint8)
    planted = min(PLANTED, count // 2)
    codes[-planted:] = _flip_bits(codes[:planted], bits, rng)
    start = time.perf_counter()
    matches = hash_search.find_similar_hash_rows(codes, [codes[:, None]], np.arange(count), bits)
    seconds = time.perf_counter() - start
    pairs = set(zip(matches["query"], matches["code"], strict=True))
    copies = {(number, count - planted + number) for number in range(planted)}
    return {
        **{"fingerprints": count, "bits": bits, "seconds": seconds, "all_seconds": _brute_force_seconds(codes, bits)},
        **{"found": len(copies & pairs) / planted, "others": (len(pairs) - count) // 2 - len(copies & pairs)},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _flip_bits(codes: NDArray[np.uint8], bits: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    unpacked = np.unpackbits(codes, axis=1)
    positions = rng.permuted(np.tile(np.arange(phash.HASH_BITS), (len(codes), 1)), axis=1)[:, :bits]
    np.put_along_axis(unpacked, positions, 1 - np.take_along_axis(unpacked, positions, axis=1), axis=1)
    return np.packbits(unpacked, axis=1)


def _brute_force_seconds(codes: NDArray[np.uint8], bits: int) -> float:
    """Return the seconds that faiss takes to compare all with all, extrapolated."""
    import faiss  # not at the top, as in shoepair/ingestion/near_duplicates.py

    index = faiss.IndexBinaryFlat(phash.HASH_BITS)
    index.add(codes)
    sample = codes[:COMPARED]
    start = time.perf_counter()
    index.range_search(sample, bits + 1)
    return (time.perf_counter() - start) * len(codes) / len(sample)


def format_table(numbers: dict[str, Any]) -> str:
    """Format the numbers as a table."""
    return (
        "| fingerprints | bits | ours, s | all with all, s | ratio | planted copies found | others | peak MB |\n"
        "|---|---|---|---|---|---|---|---|\n"
        f"| {numbers['fingerprints']:,} | {numbers['bits']} | {numbers['seconds']:.1f} | {numbers['all_seconds']:.1f}"
        f" | {numbers['seconds'] / numbers['all_seconds']:.3f} | {numbers['found']:.1%} | {numbers['others']} |"
        f" {numbers['peak_mb']:,.0f} |"
    )


def main(
    count: Annotated[int, typer.Option(min=2, help="Number of fingerprints.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    path: Annotated[Path | None, typer.Option("--json", help="File for the numbers.")] = None,
) -> None:
    """Measure and print."""
    numbers = measure(count, params.load(SplitConfig).max_hash_distance, seed)
    print_results(numbers, format_table(numbers), path)


if __name__ == "__main__":
    typer.run(main)
