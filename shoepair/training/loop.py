"""The training loop, for any module that maps pair images (B, 3, 2S, S) to logits (B, 2).

Each mini-batch is half same and half different pairs, both reshuffled every epoch; the last, shorter one is used too.
Models trained on students (`Model.trains_on_students`) get all nine pairs of some students instead, with equal total
weights of same and different. Every epoch ends with a checkpoint and the accuracy on valid, from one view of each pair
(`Model.forward`). The accuracy on train is that of the epoch's mini-batches, counted from the logits that each step
computes anyway: scoring train once more took a seventh to a quarter of an epoch. Both are separate for same and
different pairs. The result is the weights of the (first) epoch with the best validation accuracy, or of the last epoch
(`TrainConfig.keep_epoch`).

The random numbers of an epoch depend on the seed and the epoch's number alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shoepair.data import pair_dataset
from shoepair.data.pair_dataset import PairSource
from shoepair.models import distributed, module_interface
from shoepair.models.base import Model, ThresholdModel
from shoepair.models.inference import (
    SCORING_BATCH_SIZE,
    compute_class_logits_of_pairs,
    map_mini_batches_over_ranks,
    positive_and_negative_accuracy,
    predict_logits,
)
from shoepair.models.pretrained import PretrainedModel
from shoepair.models.registry import Weights, copy_weights
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import StageInputs
from shoepair.training import checkpoints, comparison_fit, sharding
from shoepair.training.augmentation import augment_photos
from shoepair.training.config import TrainConfig
from shoepair.training.history import EpochMetrics, History
from shoepair.training.samplers import iter_pair_index_mini_batches, iter_student_index_mini_batches

PAIRS_OF_STUDENT = 9  # every left with every right shoe
STUDENT_LOSS_WEIGHT = 12  # of a student's nine pairs: six different ones count once, three same ones twice


class TrainingStep(NamedTuple):
    """What one iteration of training computed, before its step changed the weights.

    Args:
        loss: mean over the mini-batch.
        counts: (2, 2) int64 of the pairs of real students in this rank's shard: row 0 different pairs, row 1 same
            ones; column 0 called wrong, column 1 called right.
    """

    loss: float
    counts: Tensor


@dataclass(frozen=True)
class CheckpointFile:
    """Where a training saves its checkpoint after every epoch, and resumes from when it was killed.

    Args:
        path: the file, replaced every epoch; it survives a kill and is no output of the stage.
        run_key: see `checkpoints.compute_run_key`.
        print_line: prints a line.
        inputs: compared before a checkpoint is saved, since one of other files would be resumed from for ever, and
            after: an edited parameter ends the training, and its checkpoint has the last epoch.
    """

    path: Path
    run_key: str
    print_line: Callable[[str], object]
    inputs: StageInputs = field(default_factory=StageInputs)


def fit(
    model: nn.Module,
    train_pairs: PairSource,
    valid_pairs: PairSource | None,
    config: TrainConfig,
    checkpoint: CheckpointFile | None = None,
    after_epoch: Callable[[EpochMetrics, Weights], None] = lambda _epoch, _weights: None,
) -> History:
    """Train a model, leave the weights of the best or last epoch in it, and return its history.

    Args:
        model: maps (B, 3, 2S, S) float32 to (B, 2) logits: different, same; on the device of the pairs.
        train_pairs: the pairs to train on; those of real students count for the accuracies.
        valid_pairs: the pairs that select the best epoch; None where `config.keep_epoch` is last.
        config: the settings.
        checkpoint: where a killed run is resumed from.
        after_epoch: called with metrics and weights after every epoch.

    Returns:
        The history, with NaN for the accuracies of no pairs. The same inputs give the same bits on the same machine.

    Raises:
        ShoepairError: the loss is no longer finite.
    """
    if isinstance(model, Model) and not model.is_trained_by_gradient:
        real_pairs = pair_dataset.drop_synthetic_pairs(train_pairs)
        return _fit_in_one_pass(model, real_pairs, valid_pairs, after_epoch)
    optimizer = make_optimizer(model, config)
    ema_model = _make_ema_model(model, config.ema_decay) if config.ema_decay else None
    measured_model = ema_model.module if ema_model else model
    history, best = History(), {}
    writer = checkpoint if distributed.is_main_rank() else None
    content = distributed.broadcast_bytes(
        checkpoints.read_checkpoint_bytes(writer.path, writer.run_key) if writer else b""
    )
    if state := checkpoints.decode_training_state(content):
        checkpoints.restore_weights_and_optimizer(state, model, optimizer, ema_model)
        history, best = History.from_dict(state.history), state.best_weights
        if writer:
            writer.print_line(f"resumes after epoch {len(history.epochs)}, where an earlier run was stopped")
    elif isinstance(model, PretrainedModel):
        comparison_fit.fit_comparison(model, train_pairs)
    numbers = range(len(history.epochs) + 1, config.epochs + 1)
    bar = progress.track(numbers, type(model).__name__, "epoch", hidden=not distributed.is_main_rank())
    for number in bar:
        if config.patience and history.epochs and number - history.best_epoch.epoch > config.patience:
            break
        losses, counts = list[float](), torch.zeros(2, 2, dtype=torch.int64)
        for step in iter_training_steps(model, train_pairs, optimizer, config, number):
            losses.append(step.loss)
            counts += step.counts
            if ema_model:
                ema_model.update_parameters(model)
        history.losses += losses
        train, valid = _train_accuracy(counts), _valid_accuracy(measured_model, valid_pairs)
        history.epochs.append(EpochMetrics(number, float(np.mean(losses)), *train, *valid))
        if config.keep_epoch == "last" or history.best_epoch.epoch == number:
            best = copy_weights(measured_model)
        if writer:
            saved = checkpoints.copy_training_state(model, best, optimizer, ema_model, asdict(history))
            writer.inputs.check_files()
            checkpoints.save_checkpoint(writer.path, writer.run_key, saved)
            writer.inputs.check()
        bar.set_note(str(history.epochs[-1]))
        if distributed.is_main_rank():
            after_epoch(history.epochs[-1], copy_weights(measured_model))
    model.load_state_dict(best)
    return history


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the optimizer of a training; put the weights of a `Model` into channels-last layout."""
    if isinstance(model, Model):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    if isinstance(model, PretrainedModel):
        return torch.optim.AdamW(model.parameter_groups(), lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.Adam(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)


def _make_ema_model(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of the model that holds the exponential moving average of its weights."""
    ema_update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch ships it untyped
    return AveragedModel(model, multi_avg_fn=ema_update, use_buffers=True)


def _fit_in_one_pass(
    model: Model,
    train_pairs: PairSource,
    valid_pairs: PairSource | None,
    after_epoch: Callable[[EpochMetrics, Weights], None],
) -> History:
    """Fit a model without gradients, both labels weighing alike."""
    if isinstance(model, ThresholdModel):
        _fit_threshold(model, train_pairs)
    elif isinstance(model, PretrainedModel):
        comparison_fit.fit_comparison(model, train_pairs)
    loss = functional.cross_entropy(predict_logits(model, train_pairs), train_pairs.same).item()
    train, valid = positive_and_negative_accuracy(model, train_pairs), _valid_accuracy(model, valid_pairs)
    history = History([EpochMetrics(1, loss, *train, *valid)], [loss])
    if distributed.is_main_rank():
        after_epoch(history.epochs[0], copy_weights(model))
    return history


def _fit_threshold(model: ThresholdModel, train_pairs: PairSource) -> None:
    """Fit the threshold of a model in one pass over all pairs."""
    mini_batches = torch.split(torch.arange(len(train_pairs.same)), SCORING_BATCH_SIZE)
    distances = map_mini_batches_over_ranks(
        mini_batches,
        train_pairs.iter_pair_photos,
        lambda shoes: model.compute_distances(shoes.flatten(1, 3).movedim(3, 1)),
        torch.zeros((), dtype=torch.float64),
    )
    model.fit_threshold(distances, train_pairs.same, _balancing_weights(train_pairs.same))


def _balancing_weights(same: Tensor) -> Tensor:
    """Return weights of pairs with which both labels weigh alike, 1 on average."""
    same_share = same.double().mean()
    return torch.where(same == 1, 0.5 / same_share, 0.5 / (1 - same_share))


def _seeded_generator(*seeds: int) -> torch.Generator:
    """Return a generator seeded from several numbers, such as seed and epoch."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1))


def iter_training_steps(
    model: nn.Module,
    train_pairs: PairSource,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    epoch_number: int = 1,
) -> Iterator[TrainingStep]:
    """Train for one epoch; yield loss and right pairs of every iteration."""
    rng = _seeded_generator(config.seed, epoch_number)
    by_student = isinstance(model, Model) and model.trains_on_students
    sample = iter_student_index_mini_batches if by_student else iter_pair_index_mini_batches
    plan = list(sample(train_pairs, config, rng))  # of all ranks
    shards = _shard_mini_batches([torch.zeros(len(rows)) if by_student else train_pairs.same[rows] for rows in plan])
    own_plan = [rows[shard.rows] for rows, shard in zip(plan, shards, strict=True)]
    photos = train_pairs.iter_student_photos(own_plan) if by_student else train_pairs.iter_pair_photos(own_plan)
    device, bf16 = next(model.parameters()).device, config.precision == "bf16"
    class_weights = torch.tensor([1.0, 2.0], device=device) if by_student else None  # six of nine pairs are different
    forward = torch.compile(compute_class_logits_of_pairs) if config.compiled else compute_class_logits_of_pairs
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))  # dropout uses the global generator only
        for iteration, (rows, shard, shoes) in enumerate(zip(own_plan, shards, photos, strict=True)):
            if isinstance(model, PretrainedModel):
                shoes = comparison_fit.draw_view(shoes, rng, shard)
            labels = torch.eye(3, dtype=torch.int64).expand(len(rows), 3, 3) if by_student else train_pairs.same[rows]
            labels = labels.flatten().to(device)
            with (
                torch.autocast(device.type, torch.bfloat16, enabled=bf16),
                sharding.sync_batch_norm_and_dropout(shard),
            ):
                logits = forward(model, augment_photos(shoes, config.augmentation, rng, shard)).float()  # (B, 2)
                loss = functional.cross_entropy(logits, labels, class_weights, reduction="sum")
                loss = loss / (STUDENT_LOSS_WEIGHT * shard.total_rows if by_student else shard.total_rows)
            module_interface.raise_if_untrainable(model, logits)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
            total_loss = distributed.sum_gradients_and_loss_over_ranks(model, loss)
            lr = config.lr * config.lr_factor((epoch_number - 1) * len(plan) + iteration, config.epochs * len(plan))
            if not math.isfinite(total_loss):
                where = f"epoch {epoch_number}, iteration {iteration + 1}, with lr {lr:g}"
                message = f"training: the loss is {total_loss} in {where}"
                raise ShoepairError(message, fix=f"try a smaller `lr`, such as {config.lr / 10:g}")
            for group in optimizer.param_groups:
                group["lr"] = lr * group.get("lr_factor", 1.0)
            optimizer.step()
            students = rows.repeat_interleave(PAIRS_OF_STUDENT) if by_student else train_pairs.pair_index[rows, 0]
            yield TrainingStep(total_loss, _count_pairs(logits, labels, ~train_pairs.is_synthetic_student[students]))


def _count_pairs(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """Count wrong and right pairs of each label: (B, 2), (B,) and (B,) bool to (2, 2), see `TrainingStep`."""
    is_right = (logits.detach().argmax(1) == labels).cpu()
    return torch.bincount((2 * labels.cpu() + is_right)[counted], minlength=4).reshape(2, 2)


def _shard_mini_batches(strata: Sequence[Tensor]) -> list[sharding.Shard]:
    """Return this rank's shard of each mini-batch of an epoch, stratified by labels (T,).

    Raises:
        ShoepairError: there are more ranks than rows of a label in the first, fullest mini-batch.
    """
    fewest = min(Counter(strata[0].tolist()).values())
    if (ranks := distributed.get_world_size()) > fewest:
        message = f"training: {ranks} ranks, expected at most {fewest}, the rows of each label in a mini-batch"
        raise ShoepairError(message, fix="start fewer ranks, or set a larger `batch_size`")
    return [sharding.stratified_shard(labels) for labels in strata]


def _train_accuracy(counts: Tensor) -> tuple[float, float]:
    """Return positive and negative accuracy from the counts of an epoch, see `TrainingStep`, over all ranks."""
    right = distributed.all_reduce_sum_in_place(counts).double()
    negative, positive = (right[:, 1] / right.sum(dim=1)).tolist()
    return positive, negative


def _valid_accuracy(model: nn.Module, valid_pairs: PairSource | None) -> tuple[float, float]:
    """Return positive and negative accuracy from one view: curves need no TTA; NaN without pairs."""
    if valid_pairs is None or not len(valid_pairs.same):
        return math.nan, math.nan
    return positive_and_negative_accuracy(model, valid_pairs, tta=False)
