"""Stage pairs: students and their splits -> same and different pairs of shoes.

Reads   data/split.parquet
Writes  data/pairs.parquet
"""

from shoepair.data import pairs, parquet_files, schemas
from shoepair.runtime import paths, stage


def main() -> None:
    """Write the nine left-right pairs of every student, labelled same or different."""
    rows = pairs.build_pair_rows(parquet_files.read_table(paths.SPLIT, schemas.StudentSplits))
    parquet_files.write_table(paths.PAIRS, rows, schemas.Pairs)
    print(f"pairs: {(rows['same'] == schemas.SAME).sum()} same, {(rows['same'] == schemas.DIFFERENT).sum()} different")


if __name__ == "__main__":
    stage.run(main)
