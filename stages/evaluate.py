"""Stage evaluate: trained models -> metrics on valid, test_m and test_w, comparisons, thresholds.

Reads   models/, data/pairs.parquet, data/store/<batch>.h5 of their batches
Writes  data/scores.parquet, data/decision.json, metrics/evaluation.json, metrics/details.json, plots/roc/<model>.csv,
        plots/confusion.csv
Params  models, seed, evaluate, train.threads
"""

from shoepair.data import loading, parquet_files, schemas
from shoepair.evaluation import comparison, metrics, plot_data, thresholds
from shoepair.evaluation.config import EvaluateConfig
from shoepair.models import inference, registry
from shoepair.runtime import cpu, json_files, params, paths, stage


def main() -> None:
    """Score valid and test pairs; write scores, metrics, comparisons, thresholds and plot data."""
    config = params.load(EvaluateConfig)
    cpu.configure_torch_cpu(config.threads)
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    rows = rows[rows["split"].isin(metrics.EVALUATED_SPLITS)]
    data = loading.load_pairs_in_memory(rows)
    scores = inference.pair_score_rows({name: registry.load_model(name) for name in config.models}, rows, data)
    details = comparison.compare_models(scores, config.models, config.resamples, config.seed)
    best, verdict = details["best"], {"verdict": details["verdict"]["short"]}
    parquet_files.write_table(paths.SCORES, scores, schemas.Scores)
    thresholds.write_decision_rule(thresholds.fit_decision_rule(scores, best, details["temperatures"][best]))
    plot_data.write_plot_data(scores, config.models, best)
    json_files.write_json(paths.EVALUATION_DETAILS, details)
    json_files.write_json(paths.EVALUATION_METRICS, metrics.headline_metrics(details["models"]) | verdict)
    print(f"evaluate: best by validation {best}; test students: {verdict['verdict']}")


if __name__ == "__main__":
    stage.run(main)
