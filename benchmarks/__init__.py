"""What the pipeline costs, each time beside a reference in the same run: `python -m benchmarks.pipeline`."""
