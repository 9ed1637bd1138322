"""Stage pairs: students and their splits -> same and different pairs of shoes.

Reads   data/split.parquet
Writes  data/pairs.parquet
"""

from shoepair.data import pairs, schemas, tables
from shoepair.runtime import paths, stage


def main() -> None:
    """Write down the nine combinations of every student's left and right shoes."""
    rows = pairs.build(tables.read(paths.SPLIT, schemas.Split))
    tables.write(paths.PAIRS, rows, schemas.Pairs)
    print(f"pairs: {(rows['same'] == schemas.SAME).sum()} same, {(rows['same'] == schemas.DIFFERENT).sum()} different")


if __name__ == "__main__":
    stage.run(main)
