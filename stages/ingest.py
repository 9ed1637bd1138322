"""Stage ingest: photos of a batch -> manifest, one row per file.

Reads   data/raw/<batch>
Writes  data/manifest/<batch>.parquet
"""

from shoepair.data import parquet_files, schemas
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import file_manifest
from shoepair.runtime import paths, stage


def main(batch: str) -> None:
    """Write the manifest of a batch: every file that DVC records, the parts of its name, and its SHA-256."""
    rows = file_manifest.build_manifest(paths.raw_path(batch), with_system_files=False)
    parquet_files.write_table(paths.manifest_path(batch), rows, schemas.Manifest)
    ignored, left_out = rows["ignored"].sum(), file_manifest.count_system_files(paths.raw_path(batch))
    files = count_with_noun(len(rows), "file")
    print(f"ingest {batch}: {files}, {ignored} of them ignored; {count_with_noun(left_out, 'system file')} left out")


if __name__ == "__main__":
    stage.run(main)
