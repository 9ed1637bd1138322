"""Stage crossval, off by default: students of train and valid -> their scores by models not trained on them.

Reads   data/pairs.parquet, data/store/<batch>.h5 or data/features/<batch>.h5 of their batches
Writes  data/crossval/<model>.parquet, metrics/crossval/<model>.json
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train, pretrained, crossval,
        evaluate.resamples
"""

from shoepair.data import parquet_files, schemas
from shoepair.evaluation import metrics
from shoepair.evaluation.config import FoldConfig
from shoepair.runtime import json_files, params, paths, progress, stage
from shoepair.training import crossval
from shoepair.training.config import AnyTrainConfig


def main(model_name: str) -> None:
    """Cross-validate a model; write its held-out scores and their metrics."""
    config, fold_config = params.load(AnyTrainConfig), params.load(FoldConfig)
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    run = crossval.CVRun(model_name, fold_config.folds, fold_config.repeats, config)
    scores = crossval.cross_validate([run], rows, progress.print_above_bar)[run]
    parquet_files.write_table(paths.cv_scores_path(model_name), scores, schemas.FoldScores)
    cv_metrics = metrics.compute_metrics(scores, fold_config.resamples, config.seed)
    json_files.write_json(paths.cv_metrics_path(model_name), cv_metrics)
    print(f"crossval {model_name}: {fold_config.repeats} times {fold_config.folds} folds")


if __name__ == "__main__":
    stage.run(main)
