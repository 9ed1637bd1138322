"""Stage train: pairs of shoes -> one trained model.

Reads   data/pairs.parquet, data/store/<batch>.h5 of their batches, data/synthetic/synthetic.h5
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train
"""

from shoepair.runtime import params, stage
from shoepair.training import job
from shoepair.training.config import TrainConfig


def main(model_name: str) -> None:
    """Train one model on split train, validate every epoch, and resume a killed run."""
    summary = job.train_in_ranks("train", model_name, params.load(TrainConfig))
    if summary:
        print(summary)


if __name__ == "__main__":
    stage.run(main)
