"""Programs that the tests of several ranks start, by `torchrun` or as they are: python ranked.py WHAT.

They train on random photos in the current directory and leave weights and losses there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import stages.train
from shoepair.data import loading, pair_dataset, pairs, schemas, store, streaming, tables
from shoepair.models import distributed, registry
from shoepair.runtime import errors, paths
from shoepair.training import loop, sharding
from shoepair.training.config import Augmentation, TrainConfig

EDGE = 32
NAMES = ("cnn", "cnn_channel", "siamese", "histogram")
# Of fewer channels one alone is left at many places: to `siamese` these are all alike, and rounding picks among them.
SHAPE = registry.ModelConfig(n=4, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)
# Eight students are 24 pairs of each kind: 11 a batch, and 2 in the last one, too few for 3 ranks. Of whole students 3
# are a batch, and 2 the last one.
RECIPE = TrainConfig(
    epochs=1,
    batch_size=22,
    lr=2e-3,
    different="drawn",
    augmentation=Augmentation(mirror=True, colour=0.5, affine=0.5),
    keep="last",
)
STUDENTS = {"a": 5, "b": 3}


def write_class(folder: Path) -> None:
    """Eight students with their pairs, in the stores of two batches, and four beside the class."""
    rng = np.random.default_rng(5)
    split = []
    for batch, count in {**STUDENTS, paths.SYNTHETIC: 4}.items():
        names = [f"u{batch == 'b':d}{number}" for number in range(count)]
        colours = rng.integers(0, 200, (count, 3, 1, 1, 1, 3))
        photos = (colours + rng.integers(0, 55, (count, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)
        store.write(folder / paths.store(batch), names, photos, EDGE)
        if batch != paths.SYNTHETIC:
            split += [(batch, name, row, "train") for row, name in enumerate(names)]
    frame = pd.DataFrame(split, columns=["batch", "student", "row", "split"])
    tables.write(folder / paths.SPLIT, frame, schemas.Split)
    rows = pairs.build(frame)
    tables.write(folder / paths.PAIRS, pd.concat([rows, rows.assign(split="valid")]), schemas.Pairs)


def rows() -> pd.DataFrame:
    """The pairs to learn from."""
    every = tables.read(paths.PAIRS, schemas.Pairs)
    return every[every["split"] == "train"]


def train(name: str, data: pair_dataset.Pairing, result: str, *, scored: bool = True) -> None:
    """Train; the first rank writes what comes of it."""
    model = registry.build(name, SHAPE, 1)
    if isinstance(data, pair_dataset.PairData) and data.images.dtype == torch.float64:
        model.double()
    recipe = RECIPE.model_copy(update={"batch_size": 10}) if model.whole_students else RECIPE
    history = loop.fit(model, data, data if scored else None, recipe, curves=scored)
    if distributed.first():
        save_file(registry.weights_of(model), f"{result}.safetensors")
        Path(f"{result}.json").write_text(json.dumps(asdict(history)))


def reordered(kinds: Tensor) -> sharding.Share:
    """All rows of a batch, the last one first: the same sums in another order."""
    return sharding.Share(torch.arange(len(kinds)).flip(0), len(kinds))


def compare_all() -> None:
    """`compare` by 1, 2 and 3 ranks, which are forked, since importing torch anew takes longer than to train."""
    compare()
    for count in (2, 3):
        config = LaunchConfig(
            1, 1, count, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", local_addr="127.0.0.1", run_id=str(count)
        )
        config.start_method, config.max_restarts = "fork", 0
        elastic_launch(config, ranked)("compare")


def ranked(what: str) -> None:
    """Do what the word says as a rank."""
    with distributed.joined():
        {"compare": compare, "fail": fail}[what]()


def compare() -> None:
    """Every model in single and in double precision, from memory, and one from the stores."""
    single = loading.from_table(rows())
    double = replace(single, images=pair_dataset.floats(single.images).double())
    for name in NAMES:
        train(name, single, f"{name}-single-{distributed.size()}")
        if name != "histogram":
            train(name, double, f"{name}-double-{distributed.size()}", scored=False)
    if distributed.size() == 2:
        streaming.WORKERS = 1
        train("cnn", loading.within(rows(), EDGE, 0, torch.device("cpu")), "cnn-streamed-2", scored=False)
    if distributed.size() == 1:
        kept = sharding.dealt, sharding.seeing_all
        sharding.dealt, sharding.seeing_all = reordered, sharding._WholeBatch
        for name in NAMES[:3]:
            train(name, single, f"{name}-single-reordered")
        sharding.dealt, sharding.seeing_all = kept


class Failing(pair_dataset.PairData):
    """Photos that one rank cannot read."""

    def pairs(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """One batch, and no more on the second rank."""
        for number, shoes in enumerate(super().pairs(plan)):
            if number and distributed.rank() == 1:
                found = "a.h5: torn"
                raise errors.ShoepairError(found, fix="mend it")
            yield shoes


def fail() -> None:
    """The second rank meets a fault, the others do not."""
    whole = loading.from_table(rows())
    train("cnn", Failing(whole.images, whole.shoes, whole.same, whole.synthetic), "cnn")


def killed() -> None:
    """The stage; in the second epoch a rank is killed, once."""
    whole = loop.epoch

    def epoch(*given: Any) -> Iterator[float]:
        for value in whole(*given):
            yield value
            if given[-1] == 2 and distributed.rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
                os.kill(os.getpid(), signal.SIGKILL)

    loop.epoch = epoch  # type: ignore[assignment]  # fit calls it that way
    stages.train.main("cnn_channel")


def main(what: str) -> None:
    """Do what the word says."""
    torch.set_num_threads(1)
    if what == "compare_all":
        compare_all()
    elif what == "killed":
        killed()
    else:
        ranked(what)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except errors.ShoepairError as error:
        sys.exit(f"error: {error}")


def written(folder: Path) -> dict[str, bytes]:
    files = (path for name in ("models", "plots") for path in (folder / name).rglob("*.*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
