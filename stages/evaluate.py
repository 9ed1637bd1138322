"""Stage evaluate: the trained networks -> accuracies on valid, test_m and test_w, comparisons, thresholds.

Reads   models/, data/pairs.parquet, data/store/<batch>.h5 of the batches in it
Writes  data/scores.parquet, data/decision.json, metrics/evaluation.json, metrics/details.json, plots/roc/<model>.csv,
        plots/confusion.csv
Params  models, seed, evaluate, train.threads
"""

from shoepair.data import documents, loading, schemas, tables
from shoepair.evaluation import comparison, metrics, plot_data, thresholds
from shoepair.evaluation.config import Evaluate
from shoepair.models import inference, registry
from shoepair.runtime import cpu, params, paths, stage


def main() -> None:
    """Score every pair of every student not trained on; count, compare, and decide by validation who answers when."""
    chosen = params.load(Evaluate)
    cpu.use_threads(chosen.threads)
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    rows = rows[rows["split"].isin(metrics.MEASURED)]
    data = loading.from_table(rows)
    scores = inference.score({name: registry.load(name) for name in chosen.models}, rows, data)
    details = comparison.assess(scores, chosen.models, chosen.resamples, chosen.seed)
    best, verdict = details["best"], {"verdict": details["verdict"]["short"]}
    tables.write(paths.SCORES, scores, schemas.Scores)
    thresholds.write(thresholds.decide(scores, best, details["temperatures"][best]))
    plot_data.write(scores, chosen.models, best)
    documents.write_json(paths.EVALUATION_DETAILS, details)
    documents.write_json(paths.EVALUATION_METRICS, metrics.headline(details["models"]) | verdict)
    print(f"evaluate: best by validation {best}; test students: {verdict['verdict']}")


if __name__ == "__main__":
    stage.run(main)
