"""Stage train: pairs of shoes -> one trained model.

Reads   data/pairs.parquet, data/store/<batch>.h5 of their batches, data/synthetic/synthetic.h5
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train
"""

from functools import partial

from shoepair.models import distributed
from shoepair.runtime import parallel, params, stage, stage_inputs
from shoepair.training import job
from shoepair.training.config import TrainConfig


def main(model_name: str) -> None:
    """Train one model on split train, validate every epoch, and resume a killed run."""
    with distributed.join_process_group():
        config, inputs = params.load(TrainConfig), stage_inputs.current()
        function = partial(job.train_save_and_summarize, model_name, config, inputs)
        use_gpu = config.device == "cuda"
        summary = parallel.run_ranks(function, f"train {model_name}", cores_per_rank=config.threads, use_gpu=use_gpu)
        if summary:
            job.delete_checkpoint(model_name, inputs)
            print(summary)


if __name__ == "__main__":
    stage.run(main)
