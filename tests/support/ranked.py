"""Programs for the tests of several ranks, started by `torchrun` or directly: python ranked.py WHAT.

They train on random photos in the current directory and write weights and losses there.
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
from shoepair.data import loading, pair_dataset, pairs, parquet_files, schemas, store, streaming
from shoepair.models import distributed, registry
from shoepair.runtime import errors, paths
from shoepair.training import loop, sharding
from shoepair.training.config import AugmentationConfig, TrainConfig

EDGE = 32
NAMES = ("cnn", "cnn_channel", "siamese", "histogram")
# With fewer channels one alone is active at many positions: `siamese` sees them as equal, and rounding picks one.
SHAPE = registry.ModelConfig(n=4, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)
# Eight students are 24 same and 24 different pairs: 11 of each a mini-batch, 2 in the last one, too few for 3 ranks.
# A model that trains on students takes 3 in a mini-batch, 2 in the last one.
RECIPE = TrainConfig(
    epochs=1,
    batch_size=22,
    lr=2e-3,
    negatives="random",
    augmentation=AugmentationConfig(mirror_swap=True, color_jitter=0.5, affine=0.5),
    keep_epoch="last",
)
STUDENTS = {"a": 5, "b": 3}


def write_class(folder: Path) -> None:
    """Write eight students with their pairs, in the stores of two batches, and four synthetic ones."""
    rng = np.random.default_rng(5)
    split = []
    for batch, count in {**STUDENTS, paths.SYNTHETIC_BATCH: 4}.items():
        names = [f"u{batch == 'b':d}{number}" for number in range(count)]
        colours = rng.integers(0, 200, (count, 3, 1, 1, 1, 3))
        photos = (colours + rng.integers(0, 55, (count, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)
        store.write_store(folder / paths.store_path(batch), names, photos, EDGE)
        if batch != paths.SYNTHETIC_BATCH:
            split += [(batch, name, row, "train") for row, name in enumerate(names)]
    frame = pd.DataFrame(split, columns=["batch", "student", "row", "split"])
    parquet_files.write_table(folder / paths.SPLIT, frame, schemas.StudentSplits)
    rows = pairs.build_pair_rows(frame)
    parquet_files.write_table(folder / paths.PAIRS, pd.concat([rows, rows.assign(split="valid")]), schemas.Pairs)


def rows() -> pd.DataFrame:
    """Return the training pairs."""
    all_rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    return all_rows[all_rows["split"] == "train"]


def train(name: str, data: pair_dataset.PairSource, result: str, *, scored: bool = True) -> None:
    """Train a model; the first rank writes its weights and its history."""
    model = registry.build_model(name, SHAPE, 1)
    if isinstance(data, pair_dataset.InMemoryPairs) and data.images.dtype == torch.float64:
        model.double()
    config = RECIPE.model_copy(update={"batch_size": 10}) if model.trains_on_students else RECIPE
    history = loop.fit(model, data, data if scored else None, config)
    if distributed.is_main_rank():
        save_file(registry.copy_weights(model), f"{result}.safetensors")
        Path(f"{result}.json").write_text(json.dumps(asdict(history)))


def reordered(strata: Tensor) -> sharding.Shard:
    """Return all rows of a mini-batch in reverse order: the same sums in another order."""
    return sharding.Shard(torch.arange(len(strata)).flip(0), len(strata))


def compare_all() -> None:
    """Run `compare` on 1, 2 and 3 ranks, forked, since importing torch takes longer than training."""
    compare()
    for count in (2, 3):
        config = LaunchConfig(
            1, 1, count, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0", local_addr="127.0.0.1", run_id=str(count)
        )
        config.start_method, config.max_restarts = "fork", 0
        elastic_launch(config, ranked)("compare")


def ranked(what: str) -> None:
    """Run the named program as a rank."""
    with distributed.join_process_group():
        {"compare": compare, "fail": fail}[what]()


def compare() -> None:
    """Train every model in single and double precision from memory, and one from the stores."""
    single = loading.load_pairs_in_memory(rows())
    double = replace(single, images=pair_dataset.scale_to_centred_float(single.images).double())
    for name in NAMES:
        train(name, single, f"{name}-single-{distributed.get_world_size()}")
        if name != "histogram":
            train(name, double, f"{name}-double-{distributed.get_world_size()}", scored=False)
    if distributed.get_world_size() == 2:
        streaming.READER_PROCESSES = 1
        train(
            "cnn", loading.load_or_stream_pairs(rows(), EDGE, 0, torch.device("cpu")), "cnn-streamed-2", scored=False
        )
    if distributed.get_world_size() == 1:
        originals = sharding.stratified_shard, sharding.sync_batch_norm_and_dropout
        sharding.stratified_shard, sharding.sync_batch_norm_and_dropout = reordered, sharding._SyncedLayers
        for name in NAMES[:3]:
            train(name, single, f"{name}-single-reordered")
        sharding.stratified_shard, sharding.sync_batch_norm_and_dropout = originals


class Failing(pair_dataset.InMemoryPairs):
    """Photos that one rank cannot read."""

    def iter_pair_photos(self, plan: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the photos of each mini-batch; fail after the first one on the second rank."""
        for number, shoes in enumerate(super().iter_pair_photos(plan)):
            if number and distributed.get_rank() == 1:
                message = "a.h5: torn"
                raise errors.ShoepairError(message, fix="mend it")
            yield shoes


def fail() -> None:
    """Train with an error on the second rank only."""
    data = loading.load_pairs_in_memory(rows())
    train("cnn", Failing(data.images, data.pair_index, data.same, data.is_synthetic_student), "cnn")


def killed() -> None:
    """Run stage train; kill a rank in the second epoch, once."""
    original = loop.iter_training_steps

    def epoch(*arguments: Any) -> Iterator[loop.TrainingStep]:
        for value in original(*arguments):
            yield value
            if arguments[-1] == 2 and distributed.get_rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
                os.kill(os.getpid(), signal.SIGKILL)

    loop.iter_training_steps = epoch  # type: ignore[assignment]  # fit passes these positionally
    stages.train.main("cnn_channel")


def main(what: str) -> None:
    """Run the named program."""
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
