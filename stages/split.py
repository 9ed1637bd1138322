"""Stage split: the students of all batches -> train, valid, test_m, test_w.

Reads   data/valid/<batch>.parquet of the listed batches
Writes  data/split.parquet, metrics/split.json
Params  split, data/batches.yaml: batches
"""

from shoepair import errors, params, paths, splits, table


def main() -> None:
    """Deal every student by a hash; count what came of it."""
    dealt = params.load(params.Split)
    tables = {batch: table.read(paths.valid(batch), table.Photos) for batch in params.load_batches().batches}
    split = splits.assign(tables, dealt.salt, dealt.valid)
    counts = splits.counts(split, tables)
    table.write(paths.SPLIT, split, splits.Split)
    paths.write_json(paths.SPLIT_METRICS, counts)
    print("split:", ", ".join(f"{name} {number['students']} students" for name, number in counts.items()))


if __name__ == "__main__":
    errors.run(main)
