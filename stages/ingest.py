"""Stage ingest: the photos of a batch -> one row per file found.

Reads   data/raw/<batch>
Writes  data/table/<batch>.parquet
"""

from shoepair.data import schemas, tables
from shoepair.ingestion import scan
from shoepair.runtime import paths, stage


def main(batch: str) -> None:
    """List every file, with what its name tells and the digest of its content."""
    rows = scan.scan(paths.raw(batch))
    tables.write(paths.table(batch), rows, schemas.Files)
    print(f"ingest {batch}: {len(rows)} files, {rows['ignored'].sum()} of them system files, ignored")


if __name__ == "__main__":
    stage.run(main)
