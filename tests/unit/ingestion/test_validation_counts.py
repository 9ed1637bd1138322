"""Counts of all batches, and their sum."""

from __future__ import annotations

from shoepair.ingestion import validation_counts


def test_total_comes_first_and_adds_up() -> None:
    reports = {
        batch: {name: number + i for i, name in enumerate(validation_counts.COUNT_NAMES)}
        for batch, number in (("a", 1), ("b", 10))
    }
    with_more = {batch: {**report, "reasons": {}} for batch, report in reports.items()}
    counts = validation_counts.counts_by_batch_and_total(with_more)
    assert list(counts) == ["total", "a", "b"]
    assert [list(numbers) for numbers in counts.values()] == [list(validation_counts.COUNT_NAMES)] * 3
    for name in validation_counts.COUNT_NAMES:
        assert counts["total"][name] == reports["a"][name] + reports["b"][name]
