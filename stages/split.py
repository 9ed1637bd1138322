"""Stage split: the students of all batches -> train, valid, test_m, test_w.

Reads   data/valid/<batch>.parquet, data/signs/<batch>.parquet, reports/validation/<batch>.json of the listed batches
Writes  data/split.parquet, data/duplicates.parquet, metrics/split.json, metrics/validation.json
Params  split, data/batches.yaml: batches
"""

from shoepair.data import documents, schemas, tables
from shoepair.ingestion import duplicates, rules, splits
from shoepair.ingestion.config import Split
from shoepair.runtime import params, paths, stage
from shoepair.runtime.batches import load_batches


def main() -> None:
    """Deal every student by a hash; refuse photos that are in two splits; count what came of it."""
    dealt = params.load(Split)
    batches = load_batches().batches
    accepted = {batch: tables.read(paths.valid(batch), schemas.Photos) for batch in batches}
    reports = {batch: documents.read_json(paths.validation(batch), "run `dvc repro`") for batch in batches}
    split = splits.assign(accepted, dealt.salt, dealt.valid)
    measured = {batch: tables.read(paths.signs(batch), schemas.Signs) for batch in batches}
    twice = duplicates.find(measured, dealt.duplicate_bits)
    duplicates.refuse_across(twice, split)
    counts = splits.counts(split, accepted)
    tables.write(paths.SPLIT, split, schemas.Split)
    tables.write(paths.DUPLICATES, twice, schemas.Duplicates)
    documents.write_json(paths.SPLIT_METRICS, counts)
    documents.write_json(paths.VALIDATION_METRICS, rules.totals(reports))
    students = ", ".join(f"{name} {number['students']} students" for name, number in counts.items())
    print(f"split: {students}; {duplicates.counts(twice)}")


if __name__ == "__main__":
    stage.run(main)
