"""Stage audit: pairs as the networks get them -> test for leakage: whether anything but the shoes predicts the label.

Reads   data/pairs.parquet, data/store/<batch>.h5, data/accepted/<batch>.parquet of their batches
Writes  reports/audit.json
Params  seed, evaluate
"""

from shoepair.data import parquet_files, photo_loading, schemas
from shoepair.evaluation import leakage
from shoepair.evaluation.config import AuditConfig
from shoepair.runtime import json_files, params, paths, stage


def main() -> None:
    """Train linear probes on features that must not separate same from different; fail if one does."""
    config = params.load(AuditConfig)
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    student_count, rows = rows["student"].nunique(), leakage.sample_pair_rows(rows)
    accepted = {
        str(batch): parquet_files.read_table(paths.accepted_path(str(batch)), schemas.AcceptedPhotos)
        for batch in rows["batch"].unique()
    }
    with photo_loading.open_pair_photos(rows) as photos:
        features = leakage.photo_features_by_probe(photos)
    features["file"] = leakage.file_length_and_type_features(rows, accepted)
    results = leakage.cross_validate_probes_by_name(rows, features, config.resamples, config.seed, student_count)
    leakage.raise_if_leaking(results)
    json_files.write_json(paths.LEAKAGE_REPORT, results)
    accuracies = ", ".join(f"{name} {result['balanced']:.1%}" for name, result in results.items())
    print(f"audit: {accuracies or 'too few students'}")


if __name__ == "__main__":
    stage.run(main)
