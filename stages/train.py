"""Stage train: pairs of shoes -> one trained model.

Reads   data/pairs.parquet, data/store/<batch>.h5 of the batches in it, data/synthetic/synthetic.h5
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train
"""

from functools import partial

from shoepair.models import distributed
from shoepair.runtime import parallel, params, stage
from shoepair.training import job
from shoepair.training.config import TrainConfig


def main(name: str) -> None:
    """Train on the pairs of train, measured on those of valid after every epoch; a killed run goes on."""
    with distributed.joined():
        config = params.load(TrainConfig)
        work = partial(job.train, name, config)
        done = parallel.together(work, f"train {name}", cores=config.threads, gpus=config.device == "cuda")
        if done:
            print(done)


if __name__ == "__main__":
    stage.run(main)
