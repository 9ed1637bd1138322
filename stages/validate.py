"""Stage validate: manifest and photos of a batch -> accepted photos.

Reads   data/manifest/<batch>.parquet, data/raw/<batch>
Writes  data/accepted/<batch>.parquet, data/image_stats/<batch>.parquet, reports/validation/<batch>.json
Params  normalize, validate
"""

from shoepair.data import parquet_files, schemas
from shoepair.ingestion import validation
from shoepair.ingestion.config import NormalizeConfig, ValidateConfig
from shoepair.runtime import json_files, params, paths, stage


def main(batch: str) -> None:
    """Validate a batch; write accepted photos, image stats and a report, or fail with all errors."""
    rows = parquet_files.read_table(paths.manifest_path(batch), schemas.Manifest)
    edge, policy = params.load(NormalizeConfig).edge, params.load(ValidateConfig)
    result = validation.validate_batch_or_raise(batch, paths.raw_path(batch), rows, edge, policy)
    parquet_files.write_table(paths.accepted_path(batch), result.accepted, schemas.AcceptedPhotos)
    parquet_files.write_table(paths.image_stats_path(batch), result.image_stats, schemas.ImageStats)
    json_files.write_json(paths.validation_report_path(batch), result.build_report(batch))
    print(f"validate {batch}: {result}")


if __name__ == "__main__":
    stage.run(main)
