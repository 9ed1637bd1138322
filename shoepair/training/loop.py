"""The training loop. It knows no model by name: anything that takes (B, 3, 2S, S) and gives (B, 2) logits will do.

Each batch is half same and half different pairs, both reshuffled every epoch, and the last short batch is used; a
model that compares whole students (`Model.whole_students`) gets all nine combinations of some students instead, same
and different weighing as much. After every epoch come a checkpoint and the accuracies on train and valid, positive
and negative apart, of one view of each pair (`Model.forward`). The weights of the epoch with the best validation
accuracy (the first such) are the result, or those of the last epoch (`TrainConfig.keep`).

What an epoch draws follows from the seed and the epoch's number alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shoepair.data import pair_dataset
from shoepair.data.pair_dataset import Pairing
from shoepair.models import distributed
from shoepair.models.base import Model, Threshold
from shoepair.models.inference import SCORED, accuracies, logits, map_batches, pair_logits
from shoepair.models.registry import Weights, weights_of
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError
from shoepair.training import checkpoints, sharding
from shoepair.training.augmentation import augment
from shoepair.training.config import TrainConfig
from shoepair.training.history import Epoch, History
from shoepair.training.samplers import pair_batches, student_batches

WHOLE = 12  # what a student's nine combinations weigh: six different ones once, three same ones twice


@dataclass(frozen=True)
class Checkpoint:
    """What a training run leaves behind after every epoch, and takes up again after a kill.

    Args:
        path: the file; each epoch replaces the one before. It survives a killed run and is no output of the stage.
        key: of the run, see `checkpoints.key`.
        report: prints a line.
    """

    path: Path
    key: str
    report: Callable[[str], object]


def fit(
    model: nn.Module,
    train: Pairing,
    valid: Pairing | None,
    config: TrainConfig,
    checkpoint: Checkpoint | None = None,
    after_epoch: Callable[[Epoch, Weights], None] = lambda _epoch, _weights: None,
    *,
    curves: bool = True,
) -> History:
    """Train a model; afterwards it holds the weights of the best epoch, or of the last one.

    Args:
        model: takes (B, 3, 2S, S) float32, gives (B, 2) logits: different, same; on the device of the pairs.
        train: the pairs to learn from; accuracies are measured on those that are photographed.
        valid: the pairs by which the best epoch is chosen; None where `config.keep` is last.
        config: how.
        checkpoint: where a killed run is taken up again.
        after_epoch: called with the accuracies and the weights after every epoch.
        curves: whether the accuracies on `train` are wanted, which take a third of the time.

    Returns:
        The course of the training, with NaN for accuracies that were not measured. The same inputs give the same bits
        on the same machine.

    Raises:
        ShoepairError: the loss is no longer finite.
    """
    photographed = pair_dataset.without_synthetic(train)
    if isinstance(model, Threshold):
        return _fit_threshold(model, photographed, valid, after_epoch)
    optimizer = start(model, config)
    moving = get_ema_multi_avg_fn(config.average)  # type: ignore[no-untyped-call]  # torch ships it untyped
    average = AveragedModel(model, multi_avg_fn=moving, use_buffers=True)
    judged = average.module if config.average else model
    history, best = History(), {}
    writer = checkpoint if distributed.first() else None
    content = distributed.told(checkpoints.read(writer.path, writer.key) if writer else b"")
    if state := checkpoints.parsed(content):
        checkpoints.restore(state, model, optimizer, average)
        history, best = History.of(state.course), state.best
        if writer:
            writer.report(f"goes on after epoch {len(history.epochs)}, where an earlier run was stopped")
    numbers = range(len(history.epochs) + 1, config.epochs + 1)
    bar = progress.track(numbers, type(model).__name__, "epoch", hidden=not distributed.first())
    for number in bar:
        if config.patience and history.epochs and number - history.best.epoch > config.patience:
            break
        losses = []
        for loss in epoch(model, train, optimizer, config, number):
            losses.append(loss)
            if config.average:
                average.update_parameters(model)
        history.losses += losses
        history.epochs.append(_measure(judged, photographed if curves else None, valid, number, losses))
        if config.keep == "last" or history.best.epoch == number:
            best = weights_of(judged)
        if writer:
            saved = checkpoints.snapshot(model, best, optimizer, average, asdict(history))
            checkpoints.save(writer.path, writer.key, saved)
        bar.set_postfix_str(str(history.epochs[-1]))
        if distributed.first():
            after_epoch(history.epochs[-1], weights_of(judged))
    bar.close()
    model.load_state_dict(best)
    return history


def start(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Puts the weights into channels-last layout, in which convolutions are fast, and returns their optimizer."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
    return torch.optim.Adam(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)


def _fit_threshold(
    model: Threshold, train: Pairing, valid: Pairing | None, after_epoch: Callable[[Epoch, Weights], None]
) -> History:
    """A model without gradients, "trained" in one pass over all pairs, same and different weighing alike."""
    plan = torch.split(torch.arange(len(train.same)), SCORED)
    distances = map_batches(
        plan,
        train.pairs,
        lambda shoes: model.distance(shoes.flatten(1, 3).movedim(3, 1)),
        torch.zeros((), dtype=torch.float64),
    )
    model.settle(distances, train.same, _balancing(train.same))
    loss = functional.cross_entropy(logits(model, train), train.same).item()
    history = History([_measure(model, train, valid, 1, [loss])], [loss])
    if distributed.first():
        after_epoch(history.epochs[0], weights_of(model))
    return history


def _balancing(same: Tensor) -> Tensor:
    """Weights of pairs with which both kinds count alike, 1 on average."""
    share = same.double().mean()
    return torch.where(same == 1, 0.5 / share, 0.5 / (1 - share))


def _generator(*words: int) -> torch.Generator:
    """Random numbers that follow from some numbers, such as seed and epoch."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))


def epoch(
    model: nn.Module, train: Pairing, optimizer: torch.optim.Optimizer, config: TrainConfig, number: int = 1
) -> Iterator[float]:
    """One pass over the training pairs, yielding the loss of every iteration."""
    rng = _generator(config.seed, number)
    whole = isinstance(model, Model) and model.whole_students
    plan = list(student_batches(train, config, rng) if whole else pair_batches(train, config, rng))
    mine = _dealt([torch.zeros(len(which)) if whole else train.same[which] for which in plan])
    which_of = [which[share.rows] for which, share in zip(plan, mine, strict=True)]
    shoes_of = train.students(which_of) if whole else train.pairs(which_of)
    device, bf16 = next(model.parameters()).device, config.precision == "bf16"
    kinds = torch.tensor([1.0, 2.0], device=device) if whole else None  # of a student's nine combinations six differ
    answer = torch.compile(pair_logits) if config.compiled else pair_logits
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))  # dropout draws from the global generator only
        for place, (which, share, shoes) in enumerate(zip(which_of, mine, shoes_of, strict=True)):
            labels = torch.eye(3, dtype=torch.int64).expand(len(which), 3, 3) if whole else train.same[which]
            labels = labels.flatten().to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16), sharding.seeing_all(share):
                got = answer(model, augment(shoes, config.augmentation, rng, share)).float()  # (B, 2)
                loss = functional.cross_entropy(got, labels, kinds, reduction="sum")
                loss = loss / (WHOLE * share.total if whole else share.total)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
            value = distributed.sum_gradients(model, loss)
            rate = config.lr * config.lr_factor((number - 1) * len(plan) + place, config.epochs * len(plan))
            if not math.isfinite(value):
                found = f"training: the loss is {value} in epoch {number}, iteration {place + 1}, with lr {rate:g}"
                raise ShoepairError(found, fix=f"try a smaller `lr`, such as {config.lr / 10:g}")
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            yield value


def _dealt(kinds: Sequence[Tensor]) -> list[sharding.Share]:
    """This rank's share of each batch of an epoch, which has rows of (T,) kinds; each rank needs its part of each.

    Raises:
        ShoepairError: there are more ranks than the first, the fullest batch has rows of a kind.
    """
    fewest = min(Counter(kinds[0].tolist()).values())
    if distributed.size() > fewest:
        found = f"training: {distributed.size()} ranks, expected at most {fewest}, the rows of each kind in a batch"
        raise ShoepairError(found, fix="start fewer ranks, or set a larger `batch_size`")
    return [sharding.dealt(each) for each in kinds]


def _measure(
    model: nn.Module, train: Pairing | None, valid: Pairing | None, number: int, losses: Sequence[float]
) -> Epoch:
    missing = (math.nan, math.nan)  # and a curve has no need of four views
    measured = [accuracies(model, data, tta=False) if data else missing for data in (train, valid)]
    return Epoch(number, float(np.mean(losses)), *measured[0], *measured[1])
