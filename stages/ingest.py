"""Stage ingest: photos of a batch -> manifest, one row per file.

Reads   data/raw/<batch>
Writes  data/manifest/<batch>.parquet
"""

from shoepair.data import parquet_files, schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime import paths, stage


def main(batch: str) -> None:
    """Write the manifest of a batch: every file, the parts of its name, and its SHA-256."""
    rows = file_manifest.build_manifest(paths.raw_path(batch))
    parquet_files.write_table(paths.manifest_path(batch), rows, schemas.Manifest)
    print(f"ingest {batch}: {len(rows)} files, {rows['ignored'].sum()} of them system files, ignored")


if __name__ == "__main__":
    stage.run(main)
