"""Stage ingest: photos of a batch -> manifest, one row per file.

Reads   data/raw/<batch>
Writes  data/manifest/<batch>.parquet
"""

from shoepair.data import parquet_files, schemas
from shoepair.ingestion import file_manifest
from shoepair.runtime import paths, stage


def main(batch: str) -> None:
    """Write the manifest of a batch: every file that DVC records, the parts of its name, and its SHA-256."""
    rows = file_manifest.build_manifest(paths.raw_path(batch), with_system_files=False)
    parquet_files.write_table(paths.manifest_path(batch), rows, schemas.Manifest)
    ignored, left_out = rows["ignored"].sum(), file_manifest.count_system_files(paths.raw_path(batch))
    print(f"ingest {batch}: {len(rows)} files, {ignored} of them ignored; {left_out} system files left out")


if __name__ == "__main__":
    stage.run(main)
