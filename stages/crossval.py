"""Stage crossval, off by default: the students of train and valid, each judged by models that never saw them.

Reads   data/pairs.parquet, data/store/<batch>.h5 of the batches in it
Writes  data/crossval/<model>.parquet, metrics/crossval/<model>.json
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train, crossval, evaluate.resamples
"""

from shoepair.data import documents, schemas, tables
from shoepair.evaluation import metrics
from shoepair.evaluation.config import Folds
from shoepair.runtime import params, paths, progress, stage
from shoepair.training import crossval
from shoepair.training.config import TrainConfig


def main(name: str) -> None:
    """Train on all folds but one, score that one, in turn and anew; count."""
    config, dealt = params.load(TrainConfig), params.load(Folds)
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    plan = crossval.Plan(name, dealt.folds, dealt.repeats, config)
    scores = crossval.run([plan], rows, progress.say)[plan]
    tables.write(paths.folded(name), scores, schemas.Folded)
    documents.write_json(paths.folded_metrics(name), metrics.metrics(scores, dealt.resamples, config.seed))
    print(f"crossval {name}: {dealt.repeats} times {dealt.folds} folds")


if __name__ == "__main__":
    stage.run(main)
