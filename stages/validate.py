"""Stage validate: the files of a batch, held against the rules -> the accepted photos.

Reads   data/table/<batch>.parquet, data/raw/<batch>
Writes  data/valid/<batch>.parquet, data/signs/<batch>.parquet, reports/validation/<batch>.json
Params  normalize, validate
"""

from shoepair.data import documents, schemas, tables
from shoepair.ingestion import rules
from shoepair.ingestion.config import Normalize, Validate
from shoepair.runtime import params, paths, stage


def main(batch: str) -> None:
    """Accept the photos, set students with faults aside, or refuse the batch with all its faults."""
    rows = tables.read(paths.table(batch), schemas.Files)
    edge, policy = params.load(Normalize).edge, params.load(Validate)
    verdict = rules.check(batch, paths.raw(batch), rows, edge, policy)
    tables.write(paths.valid(batch), verdict.accepted, schemas.Photos)
    tables.write(paths.signs(batch), verdict.measured, schemas.Signs)
    documents.write_json(paths.validation(batch), verdict.report(batch))
    print(f"validate {batch}: {verdict}")


if __name__ == "__main__":
    stage.run(main)
