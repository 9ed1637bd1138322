"""Stage train_pretrained: features of pairs of shoes -> one trained model on a pretrained network.

Reads   data/pairs.parquet, data/features/<batch>.h5 of their batches
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  pretrained.weights, pretrained.sha256, pretrained.lr, pretrained.epochs, seed, train.device,
        train.memory_mb, train.threads
"""

from shoepair.runtime import params, stage
from shoepair.training import job
from shoepair.training.config import PretrainedTrainConfig


def main(model_name: str) -> None:
    """Train one model on a pretrained network, and resume a killed run."""
    config = params.load(PretrainedTrainConfig).complete()
    summary = job.train_in_ranks("train_pretrained", model_name, config)
    if summary:
        print(summary)


if __name__ == "__main__":
    stage.run(main)
