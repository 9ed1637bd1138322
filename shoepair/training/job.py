"""One training from beginning to end: assembled from pairs and config, run, written."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd
import torch

from shoepair.data import loading, schemas, tables
from shoepair.data.pair_dataset import Pairing
from shoepair.models import devices, distributed, registry
from shoepair.models.base import Model, Threshold
from shoepair.runtime import cpu, paths, progress
from shoepair.training import checkpoints, loop
from shoepair.training.config import TrainConfig
from shoepair.training.history import DIGITS, History, write_curves


@dataclass(frozen=True)
class Job:
    """A training that is ready to start, built by `assemble`.

    Args:
        name: of the model, in the model table.
        model: with fresh weights, on its device.
        config: as it holds for this model on this machine, see `build_model`.
        train: `Pairs` rows to learn from, those of synthetic students among them.
        valid: `Pairs` rows by which an epoch is chosen; None where the last one is taken.
    """

    name: str
    model: Model
    config: TrainConfig
    train: pd.DataFrame
    valid: pd.DataFrame | None

    def key(self, *others: pd.DataFrame) -> str:
        """The digest of everything that the weights depend on, and of other `Pairs` rows, see `checkpoints.key`."""
        fields = self.config.model_dump(exclude={"network", "memory_mb"})
        learnt = [self.train] if self.valid is None else [self.train, self.valid]
        return checkpoints.key((self.name, self.model.config, fields), [*learnt, *others])

    def load(self, rows: pd.DataFrame) -> Pairing:
        """The photos of `Pairs` rows as this training wants them, see `loading.within`."""
        config = self.config
        return loading.within(rows, config.network.edge, config.memory_mb * 2**20, torch.device(config.device))

    def fit(self, checkpoint: loop.Checkpoint, *, curves: bool = True) -> History:
        """Trains the model, see `loop.fit`."""
        cpu.use_threads(self.config.threads)
        train, valid = self.load(self.train), None if self.valid is None else self.load(self.valid)
        return loop.fit(self.model, train, valid, self.config, checkpoint, curves=curves)


def build_model(name: str, config: TrainConfig) -> tuple[Model, TrainConfig]:
    """Builds a model with fresh weights on its device, and adapts the config to it.

    `device` becomes the one that is used. A model without gradients counts in double precision on the processor, and
    gets no synthetic students, since its one threshold is that of the class.

    Raises:
        ShoepairError: there is no such model, or no such device.
    """
    model = registry.build(name, config.network, config.seed)
    device = devices.agreed(devices.chosen(config.device)).type
    if isinstance(model, Threshold):
        return model, config.model_copy(update={"device": "cpu", "synthetic": 0.0})
    return model.to(device), config.model_copy(update={"device": device})


def assemble(name: str, config: TrainConfig, train: pd.DataFrame, valid: pd.DataFrame | None) -> Job:
    """Makes a training ready to start.

    Args:
        name: of the model, in the model table.
        config: how it is built and trained.
        train: `Pairs` rows of the class to learn from; `config.synthetic` and `config.different` say what is added
            and what is left out.
        valid: `Pairs` rows by which an epoch is chosen, if one is.

    Raises:
        ShoepairError: see `build_model`; or the synthetic students are missing.
    """
    model, config = build_model(name, config)
    if config.synthetic:
        train = loading.add_synthetic_pairs(train)
    if config.different == "standard" and not model.whole_students:
        train, valid = train[train["standard"]], None if valid is None else valid[valid["standard"]]
    return Job(name, model, config, train, valid)


def train(name: str, config: TrainConfig) -> str:
    """Trains a model on the pairs of train, as one of the ranks that were started; the first one writes.

    Returns:
        What was done, in a line; nothing on other ranks than the first.
    """
    with distributed.joined():
        registry.check_name(name)  # before anything is read that may be missing too
        rows = tables.read(paths.PAIRS, schemas.Pairs)
        job = assemble(name, config, *(rows[rows["split"] == split] for split in ("train", "valid")))
        key = job.key() if distributed.first() else ""
        checkpoint = loop.Checkpoint(paths.checkpoint(name), key, report=progress.say)
        history = job.fit(checkpoint)
        if not distributed.first():
            return ""
        epoch = history.selected(config.keep)
        numbers = {name: round(value, DIGITS) for name, value in asdict(epoch).items()}
        registry.save(name, job.model, {"recipe": job.config.card(), "epoch": numbers})
        write_curves(history, paths.epochs(name), paths.iterations(name))
        checkpoint.path.unlink(missing_ok=True)
        return f"train {name}: weights of epoch {epoch.epoch} of {len(history.epochs)}"
