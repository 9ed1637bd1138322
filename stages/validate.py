"""Stage validate: the files of a batch, held against the rules -> the accepted photos.

Reads   data/table/<batch>.parquet, data/raw/<batch>
Writes  data/valid/<batch>.parquet, reports/validation/<batch>.json
Params  normalize
"""

from shoepair import errors, params, paths, table


def main(batch: str) -> None:
    """Refuse the batch with all its faults, or accept all its photos."""
    rows = table.read(paths.table(batch), table.Files)
    accepted = table.check(batch, paths.raw(batch), rows, params.load(params.Normalize).edge)
    counts = table.counts(rows, accepted)
    table.write(paths.valid(batch), accepted, table.Photos)
    paths.write_json(paths.validation(batch), {"batch": batch, **counts})
    print(f"validate {batch}: {counts['files']} files = {counts['accepted']} accepted + {counts['ignored']} ignored")


if __name__ == "__main__":
    errors.run(main)
