"""Stage evaluate: trained models -> metrics on valid, test_m and test_w, comparisons, thresholds.

Reads   models/, data/pairs.parquet, data/store/<batch>.h5 and data/features/<batch>.h5 of their batches,
        data/crossval/<model>.parquet
Writes  data/scores.parquet, data/decision.json, metrics/evaluation.json, metrics/details.json, plots/roc/<model>.csv,
        plots/confusion.csv
Params  models, pretrained.models, seed, evaluate, train.threads, crossval.models, synthetic_classes
"""

from shoepair.data import loading, parquet_files, schemas
from shoepair.evaluation import comparison, metrics, plot_data, thresholds
from shoepair.evaluation.config import EvaluateConfig
from shoepair.models import inference, registry
from shoepair.runtime import cpu, json_files, params, paths, stage
from shoepair.runtime.batches import load_batch_lists


def main() -> None:
    """Score valid and test pairs; write scores, metrics, comparisons, thresholds and plot data."""
    config = params.load(EvaluateConfig)
    cpu.configure_torch_cpu(config.threads)
    all_rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    rows = all_rows[all_rows["split"].isin(metrics.EVALUATED_SPLITS)]
    data = loading.stream_pairs(rows)
    scores = inference.pair_score_rows({name: registry.load_model(name) for name in config.all_models}, rows, data)
    details = comparison.compare_models(scores, config.all_models, config.resamples, config.seed)
    best, verdict = details["best"], {"verdict": details["verdict"]["short"]}
    parquet_files.write_table(paths.SCORES, scores, schemas.Scores)
    learning = thresholds.describe_learning(all_rows, set(load_batch_lists().synthetic_classes), details)
    folded = paths.cv_scores_path(best) if best in config.crossvalidated else None
    held_out = parquet_files.read_table(folded, schemas.FoldScores) if folded else None
    rule = thresholds.fit_decision_rule(scores, best, details["temperatures"][best], learning, held_out)
    thresholds.write_decision_rule(rule)
    plot_data.write_plot_data(scores, config.all_models, best)
    answers = {split: rates.model_dump() for split, rates in rule.sets.items()}
    json_files.write_json(paths.EVALUATION_DETAILS, details | {"answers": answers})
    json_files.write_json(paths.EVALUATION_METRICS, metrics.headline_metrics(details["models"]) | verdict)
    print(f"evaluate: best by validation {best}; test students: {verdict['verdict']}")


if __name__ == "__main__":
    stage.run(main)
