"""A training job: build it from pairs and config, run it, write its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd
import torch

from shoepair.data import loading, parquet_files, photo_loading, schemas
from shoepair.data.pair_dataset import PairSource
from shoepair.models import devices, distributed, registry
from shoepair.models.base import Model, ThresholdModel
from shoepair.runtime import cpu, paths, progress
from shoepair.runtime.stage_inputs import StageInputs
from shoepair.training import checkpoints, loop
from shoepair.training.config import TrainConfig
from shoepair.training.history import DECIMALS, History, write_curves


@dataclass(frozen=True)
class Job:
    """A training ready to start: model, config and pairs; built by `build_model_and_job`.

    Args:
        model_name: name in the model registry.
        model: with fresh weights, on its device.
        config: adapted to this model and machine, see `build_model_and_config`.
        train_rows: `Pairs` rows to train on, those of synthetic students included.
        valid_rows: `Pairs` rows by which the epoch is selected; None where the last one is kept.
    """

    model_name: str
    model: Model
    config: TrainConfig
    train_rows: pd.DataFrame
    valid_rows: pd.DataFrame | None

    def compute_run_key(self, *extra_rows: pd.DataFrame) -> str:
        """Return the digest of all that the weights depend on, and of `extra_rows` (`Pairs` rows)."""
        fields = self.config.model_dump(exclude={"network", "memory_mb"})
        job_rows = [self.train_rows] if self.valid_rows is None else [self.train_rows, self.valid_rows]
        return checkpoints.compute_run_key((self.model_name, self.model.config, fields), [*job_rows, *extra_rows])

    def load_pairs(self, pair_rows: pd.DataFrame) -> PairSource:
        """Load the photos of `Pairs` rows at this training's edge and device, see `loading.load_or_stream_pairs`."""
        config = self.config
        device = torch.device(config.device)
        return loading.load_or_stream_pairs(pair_rows, config.network.edge, config.memory_mb * 2**20, device)

    def fit(self, checkpoint: loop.CheckpointFile) -> History:
        """Train the model, see `loop.fit`."""
        cpu.configure_torch_cpu(self.config.threads)
        train = self.load_pairs(self.train_rows)
        valid = None if self.valid_rows is None else self.load_pairs(self.valid_rows)
        return loop.fit(self.model, train, valid, self.config, checkpoint)


def build_model_and_config(model_name: str, config: TrainConfig) -> tuple[Model, TrainConfig]:
    """Build a model with fresh weights; return it and the config adapted to it and its device.

    `device` becomes the selected one. A threshold model computes in double precision on the CPU and gets no synthetic
    students: its only threshold must be that of the class.

    Raises:
        ShoepairError: there is no such model, or no such device.
    """
    model = registry.build_model(model_name, config.network, config.seed)
    device = devices.require_same_device_type(devices.select_device(config.device)).type
    if isinstance(model, ThresholdModel):
        return model, config.model_copy(update={"device": "cpu", "synthetic_ratio": 0.0})
    return model.to(device), config.model_copy(update={"device": device})


def build_model_and_job(
    model_name: str, config: TrainConfig, train_rows: pd.DataFrame, valid_rows: pd.DataFrame | None
) -> Job:
    """Build the model, add synthetic pairs, filter standard pairs, and return the job.

    Args:
        model_name: name in the model registry.
        config: how the model is built and trained; `synthetic_ratio` adds pairs, `negatives` leaves some out.
        train_rows: `Pairs` rows of the class to train on.
        valid_rows: `Pairs` rows by which the epoch is selected, if one is.

    Raises:
        ShoepairError: see `build_model_and_config`; or the synthetic students are missing.
    """
    model, config = build_model_and_config(model_name, config)
    if config.synthetic_ratio:
        train_rows = photo_loading.append_synthetic_pair_rows(train_rows)
    if config.negatives == "standard" and not model.trains_on_students:
        train_rows = train_rows[train_rows["standard"]]
        valid_rows = None if valid_rows is None else valid_rows[valid_rows["standard"]]
    return Job(model_name, model, config, train_rows, valid_rows)


def train_save_and_summarize(model_name: str, config: TrainConfig, inputs: StageInputs) -> str:
    """Train a model on the split `train` in all ranks; rank 0 writes weights, card and curves.

    The checkpoint stays: `delete_checkpoint` ends the training.

    Args:
        model_name: name in the model registry.
        config: how it is built and trained.
        inputs: of the stage, which must not change.

    Returns:
        A summary line; "" on the other ranks.
    """
    with distributed.join_process_group():
        registry.check_model_name(model_name)  # before reading files that may be missing too
        rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
        job = build_model_and_job(model_name, config, *(rows[rows["split"] == split] for split in ("train", "valid")))
        key = job.compute_run_key() if distributed.is_main_rank() else ""
        checkpoint = loop.CheckpointFile(paths.checkpoint_path(model_name), key, progress.print_above_bar, inputs)
        history = job.fit(checkpoint)
        if not distributed.is_main_rank():
            return ""
        epoch = history.selected_epoch(config.keep_epoch)
        rounded_metrics = {name: round(value, DECIMALS) for name, value in asdict(epoch).items()}
        registry.save_model(model_name, job.model, {"config": job.config.card_fields(), "epoch": rounded_metrics})
        write_curves(history, paths.epoch_curve_path(model_name), paths.loss_curve_path(model_name))
        return f"train {model_name}: weights of epoch {epoch.epoch} of {len(history.epochs)}"


def delete_checkpoint(model_name: str, inputs: StageInputs) -> None:
    """Delete the checkpoint of a finished training, unless the inputs of the stage have changed.

    Raises:
        InputsChangedError: they have.
    """
    inputs.check()
    paths.checkpoint_path(model_name).unlink(missing_ok=True)
