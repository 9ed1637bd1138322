"""Stage normalize: class photos + checked table -> one HDF5 store per batch.

Reads   data/raw/<batch>, data/valid/<batch>.parquet
Writes  data/store/<batch>.h5; layout in shoepair/data/store.py
Params  normalize
"""

from shoepair.data import schemas, store, tables
from shoepair.ingestion import decode_all
from shoepair.ingestion.config import Normalize
from shoepair.runtime import params, paths, progress, stage, storage


def main(batch: str) -> None:
    """Decode, orient, crop and pack every accepted photo, in table order."""
    edge = params.load(Normalize).edge
    rows = tables.read(paths.valid(batch), schemas.Photos)
    students = list(rows["student"].unique())
    decoded = decode_all.read_all(storage.listed(paths.raw(batch), rows), edge)
    shown = progress.track(decoded, f"normalize {batch}", "photo", len(rows))
    store.write(paths.store(batch), students, decode_all.students(shown, edge), edge)
    print(f"normalize {batch}: {len(rows)} photos of {len(students)} students, {edge} x {edge} pixels each")


if __name__ == "__main__":
    stage.run(main)
