"""A training job: build it from pairs and config, run it, write its results."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd
import torch

from shoepair.data import loading, parquet_files, photo_loading, schemas
from shoepair.data.pair_dataset import PairSource
from shoepair.models import devices, distributed, pretrained_weights, registry
from shoepair.models.base import Model, ThresholdModel
from shoepair.models.config import PretrainedConfig
from shoepair.models.pretrained import PretrainedModel
from shoepair.runtime import cpu, parallel, paths, progress, stage_inputs
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import StageInputs
from shoepair.training import checkpoints, loop
from shoepair.training.config import AnyTrainConfig, TrainConfig, fine_tuning_config
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
        path_of = paths.features_path if isinstance(self.model, PretrainedModel) else paths.store_path
        settings = (self.model_name, self.model.config, fields)
        return checkpoints.compute_run_key(settings, [*job_rows, *extra_rows], path_of)

    def load_pairs(self, pair_rows: pd.DataFrame, *, with_augmented: bool = False) -> PairSource:
        """Load the photos of `Pairs` rows at this training's edge and device, see `loading.load_or_stream_pairs`.

        For a model on a pretrained network it is their features, see `loading.load_or_stream_features`.
        """
        config, model = self.config, self.model
        device = torch.device(config.device)
        if isinstance(model, PretrainedModel):
            return loading.load_or_stream_features(
                pair_rows,
                model.stored_names,
                model.features_kind,
                config.memory_mb * 2**20,
                device,
                with_augmented=with_augmented,
            )
        return loading.load_or_stream_pairs(pair_rows, config.network.edge, config.memory_mb * 2**20, device)

    def fit(self, checkpoint: loop.CheckpointFile) -> History:
        """Train the model, see `loop.fit`."""
        cpu.configure_torch_cpu(self.config.threads)
        with devices.memory_errors_as_shoepair_error():
            train = self.load_pairs(self.train_rows, with_augmented=self.model.is_trained_by_gradient)
            valid = None if self.valid_rows is None else self.load_pairs(self.valid_rows)
            return loop.fit(self.model, train, valid, self.config, checkpoint)


def build_model_and_config(model_name: str, config: TrainConfig) -> tuple[Model, TrainConfig]:
    """Build a model with fresh weights; return it and the config adapted to it and its device.

    `device` becomes the selected one. A threshold model computes in double precision on the CPU and gets no synthetic
    students: its only threshold must be that of the class.

    Raises:
        ShoepairError: there is no such model, or no such device.
    """
    pretrained = config.pretrained if isinstance(config, AnyTrainConfig) else PretrainedConfig()
    model = registry.build_model(model_name, config.network, config.seed, pretrained)
    config = TrainConfig(**{name: getattr(config, name) for name in TrainConfig.model_fields})
    device = devices.require_same_device_type(devices.select_device(config.device)).type
    if isinstance(model, PretrainedModel):
        config = fine_tuning_config(config, pretrained)
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
        _check_stage(model_name, config)  # before reading files that may be missing too
        rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
        job = build_model_and_job(model_name, config, *(rows[rows["split"] == split] for split in ("train", "valid")))
        key = job.compute_run_key() if distributed.is_main_rank() else ""
        checkpoint = loop.CheckpointFile(paths.checkpoint_path(model_name), key, progress.print_above_bar, inputs)
        history = job.fit(checkpoint)
        if not distributed.is_main_rank():
            return ""
        epoch = history.selected_epoch(job.config.keep_epoch)
        rounded_metrics = {name: round(value, DECIMALS) for name, value in asdict(epoch).items()}
        fields: dict[str, Any] = {"config": job.config.card_fields(), "epoch": rounded_metrics}
        if isinstance(job.model, PretrainedModel):
            layers = job.model.config
            fields["pretrained"] = pretrained_weights.describe_origin(layers.weights) | {"sha256": layers.sha256}
        registry.save_model(model_name, job.model, fields)
        write_curves(history, paths.epoch_curve_path(model_name), paths.loss_curve_path(model_name))
        return f"train {model_name}: weights of epoch {epoch.epoch} of {len(history.epochs)}"


def _check_stage(model_name: str, config: TrainConfig) -> None:
    """Raise a ShoepairError if there is no such model, or another stage trains it."""
    registry.check_model_name(model_name)
    if registry.is_pretrained(model_name) and not isinstance(config, AnyTrainConfig):
        message = f"models: {model_name!r} is trained on a pretrained network, by stage train_pretrained"
        raise ShoepairError(message, fix="name it in `pretrained.models` instead of `models` in params.yaml")


def train_in_ranks(stage: str, model_name: str, config: TrainConfig) -> str:
    """Train a model on split train in one or more ranks; resume a killed run.

    Returns:
        A summary line; "" on the other ranks.
    """
    with distributed.join_process_group():
        inputs = stage_inputs.current()
        function = partial(train_save_and_summarize, model_name, config, inputs)
        use_gpu = config.device == "cuda"
        summary = parallel.run_ranks(function, f"{stage} {model_name}", cores_per_rank=config.threads, use_gpu=use_gpu)
        if summary:
            delete_checkpoint(model_name, inputs)
        return summary


def delete_checkpoint(model_name: str, inputs: StageInputs) -> None:
    """Delete the checkpoint of a finished training, unless the inputs of the stage have changed.

    Raises:
        InputsChangedError: they have.
    """
    inputs.check()
    paths.checkpoint_path(model_name).unlink(missing_ok=True)
