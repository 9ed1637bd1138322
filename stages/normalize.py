"""Stage normalize: accepted photos of a batch -> one HDF5 store.

Reads   data/raw/<batch>, data/accepted/<batch>.parquet
Writes  data/store/<batch>.h5; layout in shoepair/data/store.py
Params  normalize
"""

from shoepair.data import parquet_files, schemas, store
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import parallel_decoding
from shoepair.ingestion.config import NormalizeConfig
from shoepair.runtime import params, paths, progress, stage, storage


def main(batch: str) -> None:
    """Decode, orient and crop every accepted photo of a batch, in table order, and write its store."""
    edge = params.load(NormalizeConfig).edge
    rows = parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos)
    students = list(rows["student"].unique())
    decoded = parallel_decoding.iter_decoded_photos_or_errors(
        storage.list_photo_files(paths.raw_path(batch), rows), edge
    )
    photos = progress.track(decoded, f"normalize {batch}", "photo", len(rows))
    store.write_store(
        paths.store_path(batch), students, parallel_decoding.iter_student_photo_stacks(photos, edge), edge
    )
    counts = f"{count_with_noun(len(rows), 'photo')} of {count_with_noun(len(students), 'student')}"
    print(f"normalize {batch}: {counts}, {edge} x {edge} pixels each")


if __name__ == "__main__":
    stage.run(main)
