"""Stage pairs: students and their splits -> same and different pairs of shoes.

Reads   data/split.parquet
Writes  data/pairs.parquet
"""

from shoepair import pairs, splits, table
from shoepair.runtime import errors, paths


def main() -> None:
    """Write down the nine combinations of every student's left and right shoes."""
    rows = pairs.build(table.read(paths.SPLIT, splits.Split))
    table.write(paths.PAIRS, rows, pairs.Pairs)
    print(f"pairs: {(rows['same'] == pairs.SAME).sum()} same, {(rows['same'] == pairs.DIFFERENT).sum()} different")


if __name__ == "__main__":
    errors.run(main)
