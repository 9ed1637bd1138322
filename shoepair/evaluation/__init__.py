"""Scores -> numbers: metrics with intervals, comparisons, thresholds, leakage, label issues."""
