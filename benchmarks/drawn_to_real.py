"""A model on a pretrained network, learnt from drawn shoes alone and judged on the photos of a class.

    python -m benchmarks.drawn_to_real FOLDER [--model efficientnet_frozen] [--json FILE]

Run it in a project whose pairs, stores and synthetic students are made. No label of the class is learnt from. What is
tried beside the model as it was learnt knows that every student has three left and three right shoes, and no more:

- *means of the class*: the described vectors less their means over the class, not over the drawn shoes;
- *standardised over the class*: the numbers of pairs less their means over all nine pairs of all students;
- *a third is same*: the threshold is the score that a third of these pairs are above;
- *quantile across students*: a pair of shoes of two students is different. The threshold is the score that as many of
  these pairs are above as in the drawn class;
- *learnt from assignments*: the best assignment of a student's left and right shoes is taken for the truth, and the
  regression is fitted to it; a student is scored by one that was fitted to others (five folds).

The last column but one of what is printed to standard error says how often a try agrees with the assignments by the
model as it was learnt: by this, which needs no label either, the best try is chosen.
FOLDER keeps the features of the drawn shoes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from benchmarks.output import print_results
from benchmarks.towers import enter_copy, make_features
from shoepair.commands import grid_search
from shoepair.data import pairs, parquet_files, schemas
from shoepair.data.naming import NON_TEST_SPLITS
from shoepair.data.pair_dataset import PairSource
from shoepair.data.store import Store
from shoepair.evaluation.config import EvaluateConfig
from shoepair.models.pretrained import PretrainedModel
from shoepair.reports.terminal_tables import cv_table
from shoepair.runtime import params, paths
from shoepair.training import comparison_fit, crossval, job, loop
from shoepair.training.config import AnyTrainConfig
from shoepair.training.crossval import CVRun

DRAWN = "drawn_shoes"  # the synthetic students, as a batch of their own
FOLDS = 5  # of *learnt from assignments*
ORDERS = torch.tensor(list(permutations(range(3))))  # (6, 3): the right shoe of each left one


class Learnt(NamedTuple):
    """The model, and the numbers (N, 3, 3, V, 19) of what it is judged on."""

    model: PretrainedModel
    numbers: Tensor  # of the class
    recentred: Tensor  # of the class, less its own means
    across: Tensor  # of left shoes with the right ones of the next student of the class
    drawn: Tensor
    drawn_across: Tensor


def logits_of(model: PretrainedModel, numbers: Tensor, reference: Tensor | None = None) -> Tensor:
    """Return the logits (N, 3, 3) of numbers, standardised as the model learnt it or over a reference."""
    mean, deviation = model.mean.double(), model.deviation.double()
    if reference is not None:
        rows = reference.flatten(0, 3)
        mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
    weight, bias = model.comparison.weight.detach().double()[0], model.comparison.bias.detach().double()
    return (((numbers - mean) / deviation) @ weight + bias).mean(dim=3)


def assign(logits: Tensor) -> Tensor:
    """Return which pairs of each student the best assignment calls same: (N, 3, 3) to bool."""
    sums = logits[:, torch.arange(3), ORDERS].sum(dim=2)  # (N, 6)
    return torch.nn.functional.one_hot(ORDERS[sums.argmax(dim=1)], 3).bool()


def a_third_is_same(logits: Tensor) -> Tensor:
    """Return logits less the one that a third of them are above."""
    return logits - logits.flatten().quantile(2 / 3)


def as_rare_across_students(logits: Tensor, across: Tensor, drawn_across: Tensor) -> Tensor:
    """Return logits less the one that as many pairs of two students are above as of drawn ones are above 0."""
    return logits - across.flatten().quantile((drawn_across <= 0).double().mean())


def learn_from_assignments(numbers: Tensor, same: Tensor, students: list[str]) -> Tensor:
    """Return the logits (N, 3, 3) of each student by a regression that was fitted to the assignments of others."""
    fold_of = crossval.assign_fold_by_student(students, FOLDS, 0)
    folds = torch.tensor([fold_of[student] for student in students])
    logits = torch.empty(same.shape, dtype=torch.float64)
    views = numbers.shape[3]
    for fold in range(FOLDS):
        rows = numbers[folds != fold].flatten(0, 3)
        mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
        labels = same[folds != fold].unsqueeze(3).expand(-1, -1, -1, views).flatten()
        weights = comparison_fit.fit_logistic_regression((rows - mean) / deviation, labels)
        held_out = (numbers[folds == fold] - mean) / deviation
        logits[folds == fold] = (held_out @ weights[:-1] + weights[-1]).mean(dim=3)
    return logits


def list_tries(learnt: Learnt, students: list[str]) -> dict[str, Tensor]:
    """Return the logits (N, 3, 3) of each try by name, the model as it was learnt first."""
    model, numbers, recentred = learnt.model, learnt.numbers, learnt.recentred
    raw = logits_of(model, numbers)
    standardised = logits_of(model, numbers, numbers)
    both = logits_of(model, recentred, recentred)
    across, drawn_across = (logits_of(model, each) for each in (learnt.across, learnt.drawn_across))
    standardised_across = logits_of(model, learnt.across, numbers)
    drawn_standardised_across = logits_of(model, learnt.drawn_across, learnt.drawn)
    return {
        "as learnt": raw,
        "means of the class": logits_of(model, recentred),
        "standardised over the class": standardised,
        "means of the class, standardised": both,
        "a third is same": a_third_is_same(raw),
        "standardised, a third is same": a_third_is_same(standardised),
        "means, standardised, a third is same": a_third_is_same(both),
        "quantile across students": as_rare_across_students(raw, across, drawn_across),
        "standardised, quantile across students": as_rare_across_students(
            standardised, standardised_across, drawn_standardised_across
        ),
        "learnt from assignments": learn_from_assignments(numbers, assign(raw), students),
        "means, learnt from assignments": learn_from_assignments(recentred, assign(both), students),
    }


def numbers_across(model: PretrainedModel, source: PairSource) -> Tensor:
    """Return the numbers of left shoes with the right shoes of the next student: (N, 3, 3, V, 19)."""
    students = torch.unique(source.pair_index[:, 0])
    shoes = next(iter(source.iter_student_photos([students])))
    lefts, rights = shoes[:, :, 0], shoes[:, :, 1].roll(1, dims=0)
    parts = torch.split(torch.stack([lefts, rights], dim=2), comparison_fit.STUDENTS_AT_A_TIME)
    with torch.no_grad():
        return torch.cat([model.numbers_of_all_pairs(part) for part in parts]).double()


def learn(model_name: str, config: AnyTrainConfig, rows: pd.DataFrame) -> tuple[Learnt, Tensor]:
    """Learn from the drawn shoes; return what the tries need, and the (P, 3) pair index of the class."""
    with Store(paths.store_path(DRAWN)) as store:
        ids = store.student_ids
    columns = {"batch": DRAWN, "student": ids, "row": range(len(ids)), "split": "train"}
    training = job.build_model_and_job(model_name, config, pairs.build_pair_rows(pd.DataFrame(columns)), None)
    training.fit(loop.CheckpointFile(paths.checkpoint_path(model_name), training.compute_run_key(), print))
    model, drawn, judged = training.model, training.load_pairs(training.train_rows), training.load_pairs(rows)
    assert isinstance(model, PretrainedModel)
    model.eval()
    of_drawn = (comparison_fit.compute_numbers(model, drawn), numbers_across(model, drawn))
    numbers, across = comparison_fit.compute_numbers(model, judged), numbers_across(model, judged)
    comparison_fit.fit_centers(model, judged)
    recentred = comparison_fit.compute_numbers(model, judged)
    return Learnt(model, numbers, recentred, across, *of_drawn), judged.pair_index


def compare(folder: Path, model_name: str, print_line: Callable[[str], object]) -> dict[CVRun, pd.DataFrame]:
    """Return the `Scores` rows of each try."""
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    rows = rows[rows["split"].isin(NON_TEST_SPLITS)]
    stores = {str(batch): paths.store_path(str(batch)) for batch in rows["batch"].unique()}
    stores[DRAWN] = paths.store_path(paths.SYNTHETIC_BATCH)
    config = params.load(AnyTrainConfig)
    with enter_copy(folder.absolute(), stores):
        for batch in stores:
            make_features(model_name, config.pretrained, batch)
        learnt, index = learn(model_name, config, rows)
    students = list(schemas.make_student_keys(rows).unique())
    tries = list_tries(learnt, students)
    assigned = assign(tries["as learnt"])
    scores = {}
    for name, logits in tries.items():
        agrees = [((logits > 0) == assigned)[label].double().mean() for label in (assigned, ~assigned)]
        print_line(f"{name}: agrees with {float(sum(agrees)) / 2:.1%} of the assignments")
        run = CVRun(model_name, 1, 1, config, (("try", name),))
        scores[run] = rows.assign(model=model_name, logit=logits[tuple(index.T)].numpy())
    return scores


def main() -> None:
    """Parse the command line, learn, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawn_to_real", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="efficientnet_frozen", help="the model that learns")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    scores = compare(options.folder, options.model, print)
    config = params.load(EvaluateConfig)
    results = grid_search.metrics_by_run(scores, config.resamples, config.seed)
    print_results(results, cv_table(results).plain_text(), options.json)


if __name__ == "__main__":
    main()
