"""Benchmarks: what the pipeline costs, compared with a reference in the same run (`python -m benchmarks.pipeline`)."""
