"""Stage evaluate: the trained networks -> accuracies on valid, test_m and test_w.

Reads   models/, data/pairs.parquet, data/store/<batch>.h5 of the batches in it
Writes  data/scores.parquet, metrics/evaluation.json, metrics/details.json
Params  models, seed, evaluate, train.threads
"""

from shoepair import batches, devices, errors, evaluation, models, pairs, params, paths, report, table


def main() -> None:
    """Score every pair of every student not trained on; count, and name the best model by validation."""
    chosen = params.load(params.Evaluate)
    devices.use_threads(chosen.threads)
    rows = table.read(paths.PAIRS, pairs.Pairs)
    rows = rows[rows["split"].isin(evaluation.MEASURED)]
    data = batches.from_table(rows)
    scores = evaluation.score({name: models.load(name) for name in chosen.models}, rows, data)
    details = evaluation.evaluate(scores, chosen.models, chosen.resamples, chosen.seed)
    headline = evaluation.headline(details)
    table.write(paths.SCORES, scores, evaluation.Scores)
    paths.write_json(paths.EVALUATION_DETAILS, details)
    paths.write_json(paths.EVALUATION_METRICS, headline)
    print(report.accuracy_table(details, headline["best"]["model"]))


if __name__ == "__main__":
    errors.run(main)
