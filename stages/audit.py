"""Stage audit: the pairs as the networks get them -> whether anything but the shoes tells the label.

Reads   data/pairs.parquet, data/store/<batch>.h5, data/valid/<batch>.parquet of the batches in it
Writes  reports/audit.json
Params  seed, evaluate, train.threads
"""

from shoepair.data import documents, loading, schemas, tables
from shoepair.evaluation import leakage
from shoepair.evaluation.config import Audit
from shoepair.runtime import cpu, params, paths, stage


def main() -> None:
    """Let linear probes try on what has nothing to do with the match; fail if one succeeds."""
    chosen = params.load(Audit)
    cpu.use_threads(chosen.threads)
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    rows = rows[rows["standard"]]
    accepted = {str(batch): tables.read(paths.valid(str(batch)), schemas.Photos) for batch in rows["batch"].unique()}
    features = leakage.pictures(loading.from_table(rows)) | {"file": leakage.files(rows, accepted)}
    found = leakage.audit(rows, features, chosen.resamples, chosen.seed)
    leakage.refuse_leaks(found)
    documents.write_json(paths.AUDIT, found)
    print("audit:", ", ".join(f"{name} {got['balanced']:.1%}" for name, got in found.items()) or "too few students")


if __name__ == "__main__":
    stage.run(main)
