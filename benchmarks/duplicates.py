"""How long it takes to find the near-duplicates among a million fingerprints, beside a comparison of all with all.

The fingerprints are drawn at random; some are copies of others with as many bits changed as the project takes for one
photo. The comparison with all is measured on some of them and multiplied: it would take too long.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.output import tell
from shoepair.ingestion import duplicates, phash
from shoepair.ingestion.config import Split
from shoepair.runtime import params

PLANTED = 1000  # copies
COMPARED = 2000  # fingerprints that are held against all


def measure(count: int, bits: int, seed: int) -> dict[str, Any]:
    """Search each of `count` fingerprints among all.

    Returns:
        Seconds of both ways, the share of the planted copies that was found, what else was found, peak memory.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (count, phash.BITS // 8), np.uint8)
    planted = min(PLANTED, count // 2)
    codes[-planted:] = _changed(codes[:planted], bits, rng)
    start = time.perf_counter()
    found = duplicates.search(codes, codes, bits)
    searched = time.perf_counter() - start
    pairs = set(zip(found["query"], found["code"], strict=True))
    copies = {(number, count - planted + number) for number in range(planted)}
    return {
        **{"fingerprints": count, "bits": bits, "seconds": searched, "all_seconds": _all(codes, bits)},
        **{"found": len(copies & pairs) / planted, "others": (len(pairs) - count) // 2 - len(copies & pairs)},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def _changed(codes: NDArray[np.uint8], bits: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    single = np.unpackbits(codes, axis=1)
    places = rng.permuted(np.tile(np.arange(phash.BITS), (len(codes), 1)), axis=1)[:, :bits]
    np.put_along_axis(single, places, 1 - np.take_along_axis(single, places, axis=1), axis=1)
    return np.packbits(single, axis=1)


def _all(codes: NDArray[np.uint8], bits: int) -> float:
    """Seconds that faiss takes to compare all with all, carried on from some."""
    import faiss  # here, as in shoepair/ingestion/duplicates.py

    index = faiss.IndexBinaryFlat(phash.BITS)
    index.add(codes)
    some = codes[:COMPARED]
    start = time.perf_counter()
    index.range_search(some, bits + 1)
    return (time.perf_counter() - start) * len(codes) / len(some)


def printed(got: dict[str, Any]) -> str:
    """The table."""
    return (
        "| fingerprints | bits | ours, s | all with all, s | ratio | planted copies found | others | peak MB |\n"
        "|---|---|---|---|---|---|---|---|\n"
        f"| {got['fingerprints']:,} | {got['bits']} | {got['seconds']:.1f} | {got['all_seconds']:.1f}"
        f" | {got['seconds'] / got['all_seconds']:.3f} | {got['found']:.1%} | {got['others']} |"
        f" {got['peak_mb']:,.0f} |"
    )


def main(
    count: Annotated[int, typer.Option(min=2, help="Fingerprints.")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    path: Annotated[Path | None, typer.Option("--json", help="Where the numbers go.")] = None,
) -> None:
    """Measure, and tell."""
    got = measure(count, params.load(Split).duplicate_bits, seed)
    tell(got, printed(got), path)


if __name__ == "__main__":
    typer.run(main)
