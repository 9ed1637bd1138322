"""Counts in sentences."""

from __future__ import annotations


def count_with_noun(count: int, singular: str, plural: str = "") -> str:
    """Format a count with its noun: 1 pair, 1,024 pairs."""
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"
