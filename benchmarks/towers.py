"""Models on several pretrained networks, each by cross-validation, and the mean of their logits.

    python -m benchmarks.towers FOLDER MEMBER... [--folds 5] [--repeats 1] [--json FILE]

Run it in a project whose pairs and stores are made. A MEMBER is a model and a network, such as
`efficientnet_finetuned@efficientnet_lite0` or `efficientnet_frozen@efficientnet_lite2` (the extra `towers` has the
weights). FOLDER keeps the features by each network and the scores of finished folds, for the next run.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.output import print_results
from shoepair.commands import grid_search
from shoepair.data import parquet_files, schemas
from shoepair.data.store import Store
from shoepair.evaluation.config import EvaluateConfig
from shoepair.models.config import FeaturesConfig, PretrainedConfig
from shoepair.models.pretrained_weights import BUNDLED, BUNDLED_WEIGHTS
from shoepair.reports.terminal_tables import cv_table
from shoepair.runtime import library_versions, params, paths
from shoepair.training import crossval, features
from shoepair.training.config import AnyTrainConfig
from shoepair.training.crossval import CVRun
from shoepair.training.features import TRAINABLE_SUBSET

PAIR_COLUMNS = ["repeat", "batch", "student", "left", "right"]


class Member(NamedTuple):
    """One of the models that are compared: its name, and that of its network."""

    model: str
    network: str

    def __str__(self) -> str:
        return f"{self.model}@{self.network}"


def parse_member(text: str) -> Member:
    """Parse `model@network`; a ValueError makes argparse name what is wrong."""
    model, _, network = text.partition("@")
    if network not in BUNDLED_WEIGHTS:
        raise ValueError(text)
    return Member(model, network)


def network_of(member: Member) -> PretrainedConfig:
    """Return the parameters of a member's network."""
    recipe = params.load(PretrainedConfig)
    chosen = {"weights": f"{BUNDLED}{member.network}", "sha256": BUNDLED_WEIGHTS[member.network].sha256}
    return recipe.model_copy(update=chosen)


@contextmanager
def enter_copy(folder: Path, stores: Mapping[str, Path]) -> Iterator[None]:
    """Work in a folder with the pairs of this project, stores of these batches, and features of its own."""
    project = Path.cwd()
    targets = {name: name for name in (paths.PARAMS, paths.PAIRS, library_versions.VERSIONS_FILE)}
    targets |= {paths.store_path(batch): store for batch, store in stores.items()}
    for name, target in targets.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(project / target)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(project)


def make_features(model_name: str, network: PretrainedConfig, batch: str) -> None:
    """Write the features of a batch, unless they are there."""
    if paths.features_path(batch).exists():
        return
    with Store(paths.store_path(batch)) as store:
        subsets = dict.fromkeys(store.student_ids, TRAINABLE_SUBSET)
    train = params.load(AnyTrainConfig)
    config = FeaturesConfig(
        models=[model_name],
        weights=network.weights,
        sha256=network.sha256,
        augmented=0,
        seed=train.seed,
        device=train.device,
        threads=train.threads,
    )
    features.write_features_of_batch(batch, subsets, config)


def cross_validate_members(folder: Path, members: list[Member], folds: int, repeats: int) -> dict[CVRun, pd.DataFrame]:
    """Return the held-out scores of each member, and those of their mean."""
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    stores = {str(batch): paths.store_path(str(batch)) for batch in rows["batch"].unique()}
    scores: dict[CVRun, pd.DataFrame] = {}
    for member in members:
        network = network_of(member)
        config = params.load(AnyTrainConfig).model_copy(update={"pretrained": network, "synthetic_ratio": 0.0})
        run = CVRun(member.model, folds, repeats, config, (("network", member.network),))
        with enter_copy((folder / member.network).absolute(), stores):
            for batch in stores:
                make_features(member.model, network, batch)
            held_out = crossval.cross_validate([run], rows, print)[run]
        scores[run] = held_out.sort_values(PAIR_COLUMNS, ignore_index=True)
    first, *others = scores.values()
    for other in others:
        pd.testing.assert_frame_equal(first[PAIR_COLUMNS], other[PAIR_COLUMNS])
    mean = sum(table["logit"] for table in scores.values()) / len(scores)
    together = CVRun(members[0].model, folds, repeats, next(iter(scores)).config, (("mean", f"of {len(members)}"),))
    return scores | {together: first.assign(logit=mean)}


def main() -> None:
    """Parse the command line, cross-validate, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.towers", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("members", nargs="+", type=parse_member)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    scores = cross_validate_members(options.folder, options.members, options.folds, options.repeats)
    config = params.load(EvaluateConfig)
    results = grid_search.metrics_by_run(scores, config.resamples, config.seed)
    print_results(results, cv_table(results).plain_text(), options.json)


if __name__ == "__main__":
    main()
