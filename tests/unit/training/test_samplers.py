"""Mini-batches of pairs and students: each as often as the config says, half of each label."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import pairs
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.runtime.errors import ShoepairError
from shoepair.training import samplers
from shoepair.training.config import TrainConfig

Negatives = Literal["standard", "random", "all"]


def class_of(students: int, *, standard: bool, shuffled: int | None = None) -> InMemoryPairs:
    """Return the pairs of a class without its photos, in the order of the table or shuffled."""
    names = [f"u{number:03}" for number in range(students)]
    split = pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": "train"})
    rows = pairs.build_pair_rows(split)
    if standard:
        rows = rows[rows["standard"]]
    if shuffled is not None:
        rows = rows.sample(frac=1, random_state=shuffled)
    shoes = torch.tensor(rows[["row", "left", "right"]].to_numpy()) - torch.tensor([0, 1, 1])
    same, synthetic = torch.tensor(rows["same"].to_numpy()), torch.zeros(students, dtype=torch.bool)
    return InMemoryPairs(images=torch.zeros(students, 0), pair_index=shoes, same=same, is_synthetic_student=synthetic)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(data: InMemoryPairs, negatives: Negatives, size: int, seed: int = 1) -> list[torch.Tensor]:
    return list(
        samplers.iter_pair_index_mini_batches(data, TrainConfig(batch_size=size, negatives=negatives), rng(seed))
    )


@given(
    st.sampled_from(["standard", "random", "all"]),
    st.integers(1, 5),
    st.integers(1, 6).map(lambda half: 2 * half),
    st.integers(0, 3),
)
@settings(max_examples=30, deadline=None)
def test_mini_batches_are_balanced_and_hold_each_pair_as_often_as_configured(
    negatives: Negatives, students: int, size: int, seed: int
) -> None:
    data = class_of(students, standard=negatives == "standard", shuffled=seed)
    batches = sample(data, negatives, size, seed)
    assert all(2 * int(data.same[indices].sum()) == len(indices) for indices in batches)
    assert [len(indices) for indices in batches[:-1]] == [size] * (len(batches) - 1)
    counts = Counter(torch.cat(batches).tolist())
    same = {number: times for number, times in counts.items() if data.same[number]}
    different = {number: times for number, times in counts.items() if not data.same[number]}
    assert len(same) == 3 * students
    assert set(same.values()) == {2 if negatives == "all" else 1}
    assert len(different) == (6 if negatives == "all" else 3) * students
    assert set(different.values()) == {1}
    lefts = Counter(tuple(data.pair_index[number, :2].tolist()) for number in different)
    assert set(lefts.values()) == {2 if negatives == "all" else 1}, "a left shoe is more often in different pairs"


def test_random_negatives_differ_every_time_and_are_all_used_in_the_end() -> None:
    data = class_of(4, standard=False)
    samples = [{*torch.cat(sample(data, "random", 8, seed)).tolist()} for seed in range(12)]
    assert len({frozenset(pairs_used) for pairs_used in samples}) == 12
    assert set().union(*samples) == set(range(len(data)))


def test_order_follows_from_the_generator_alone() -> None:
    data = class_of(5, standard=True)
    one, again, other = (torch.cat(sample(data, "standard", 6, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(one.sort().values, other.sort().values)


@pytest.mark.parametrize("negatives", ["random", "all"])
def test_config_that_needs_six_different_pairs_refuses_three(negatives: Negatives) -> None:
    text = (
        f"^negatives: {negatives}, expected all six different pairs, found 6 in all\nset `train.negatives: standard`"
    )
    with pytest.raises(ShoepairError, match=text):
        sample(class_of(2, standard=True), negatives, 4)


@pytest.mark.parametrize(("size", "sizes"), [(2, [1] * 7), (6, [2, 2, 2, 1]), (10, [3, 3, 1]), (60, [7])])
def test_whole_students_come_once_each_for_every_three_pairs(size: int, sizes: list[int]) -> None:
    data = class_of(7, standard=False)
    one, other = (
        list(samplers.iter_student_index_mini_batches(data, TrainConfig(batch_size=size), rng(seed)))
        for seed in (1, 2)
    )
    assert [len(indices) for indices in one] == sizes
    assert sorted(torch.cat(one).tolist()) == list(range(7))
    assert torch.cat(one).tolist() != torch.cat(other).tolist()


def test_all_pairs_of_the_more_frequent_label_are_used() -> None:
    mini_batches = list(
        samplers.iter_balanced_index_mini_batches(torch.tensor([1]), torch.tensor([2, 3, 4]), 4, rng())
    )
    assert [len(indices) for indices in mini_batches] == [3, 1]
    assert sorted(torch.cat(mini_batches).tolist()) == [1, 2, 3, 4]
    assert list(samplers.iter_balanced_index_mini_batches(torch.tensor([]), torch.tensor([]), 4, rng())) == []
