"""Stage split: students of all batches -> splits train, valid, test_m, test_w.

Reads   data/accepted/<batch>.parquet, data/image_stats/<batch>.parquet, reports/validation/<batch>.json
Writes  data/split.parquet, data/duplicates.parquet, metrics/split.json, metrics/validation.json
Keeps   checkpoints/duplicates: which photos were compared; no output follows from it
Params  split, data/batches.yaml: batches
"""

from shoepair.data import json_schemas, parquet_files, schemas
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import kept_matches, near_duplicates, splits, validation_counts
from shoepair.ingestion.config import SplitConfig
from shoepair.runtime import json_files, params, paths, stage
from shoepair.runtime.batches import load_batch_lists


def main() -> None:
    """Assign students to splits by hash; fail on near-duplicates across splits; write counts."""
    config = params.load(SplitConfig)
    batches = load_batch_lists().batches
    accepted = {
        batch: parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos) for batch in batches
    }
    reports = {
        batch: json_files.read_json(
            paths.validation_report_path(batch), "run `dvc repro`", json_schemas.ValidationReport
        )
        for batch in batches
    }
    split = splits.assign_splits_by_hash(accepted, config.salt, config.valid)
    stats = (
        (batch, rows)
        for batch in batches
        for rows in parquet_files.iter_table_pieces(
            paths.image_stats_path(batch), schemas.ImageStats, near_duplicates.STATS_COLUMNS
        )
    )
    kept = kept_matches.read_matches(paths.KEPT_MATCHES, config.max_hash_distance)
    duplicates, matches = near_duplicates.find_near_duplicate_rows(stats, config.max_hash_distance, kept)
    kept_matches.write_matches(paths.KEPT_MATCHES, matches, config.max_hash_distance)
    near_duplicates.raise_if_across_splits(duplicates, split)
    counts = splits.counts_by_split(split, accepted)
    parquet_files.write_table(paths.SPLIT, split, schemas.StudentSplits)
    parquet_files.write_table(paths.NEAR_DUPLICATES, duplicates, schemas.NearDuplicates)
    json_files.write_json(paths.SPLIT_METRICS, counts)
    json_files.write_json(paths.VALIDATION_METRICS, validation_counts.counts_by_batch_and_total(reports))
    students = ", ".join(f"{name} {count_with_noun(number['students'], 'student')}" for name, number in counts.items())
    print(f"split: {students}; {near_duplicates.near_duplicates_sentence(duplicates)}")


if __name__ == "__main__":
    stage.run(main)
