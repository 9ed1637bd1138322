"""Which pairs and students come together: every one as often as its config says, half of each kind."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import pairs
from shoepair.data.pair_dataset import PairData
from shoepair.runtime.errors import ShoepairError
from shoepair.training import samplers
from shoepair.training.config import TrainConfig

Different = Literal["standard", "drawn", "all"]


def class_of(students: int, *, standard: bool, shuffled: int | None = None) -> PairData:
    """The pairs of a class without its photos, in the order of the table or shuffled."""
    names = [f"u{number:03}" for number in range(students)]
    split = pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": "train"})
    rows = pairs.build(split)
    if standard:
        rows = rows[rows["standard"]]
    if shuffled is not None:
        rows = rows.sample(frac=1, random_state=shuffled)
    shoes = torch.tensor(rows[["row", "left", "right"]].to_numpy()) - torch.tensor([0, 1, 1])
    same, synthetic = torch.tensor(rows["same"].to_numpy()), torch.zeros(students, dtype=torch.bool)
    return PairData(images=torch.zeros(students, 0), shoes=shoes, same=same, synthetic=synthetic)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dealt(data: PairData, different: Different, size: int, seed: int = 1) -> list[torch.Tensor]:
    return list(samplers.pair_batches(data, TrainConfig(batch_size=size, different=different), rng(seed)))


@given(
    st.sampled_from(["standard", "drawn", "all"]),
    st.integers(1, 5),
    st.integers(1, 6).map(lambda half: 2 * half),
    st.integers(0, 3),
)
@settings(max_examples=30, deadline=None)
def test_batches_hold_as_many_of_each_kind_and_each_pair_as_often_as_asked(
    different: Different, students: int, size: int, seed: int
) -> None:
    data = class_of(students, standard=different == "standard", shuffled=seed)
    batches = dealt(data, different, size, seed)
    assert all(2 * int(data.same[which].sum()) == len(which) for which in batches)
    assert [len(which) for which in batches[:-1]] == [size] * (len(batches) - 1)
    counted = Counter(torch.cat(batches).tolist())
    same = {number: times for number, times in counted.items() if data.same[number]}
    other = {number: times for number, times in counted.items() if not data.same[number]}
    assert len(same) == 3 * students
    assert set(same.values()) == {2 if different == "all" else 1}
    assert len(other) == (6 if different == "all" else 3) * students
    assert set(other.values()) == {1}
    lefts = Counter(tuple(data.shoes[number, :2].tolist()) for number in other)
    assert set(lefts.values()) == {2 if different == "all" else 1}, "a left shoe is more often in different pairs"


def test_drawn_different_pairs_are_others_every_time_and_both_of_a_left_shoe_in_the_end() -> None:
    data = class_of(4, standard=False)
    found = [{*torch.cat(dealt(data, "drawn", 8, seed)).tolist()} for seed in range(12)]
    assert len({frozenset(each) for each in found}) == 12
    assert set().union(*found) == set(range(len(data)))


def test_order_follows_from_the_generator_alone() -> None:
    data = class_of(5, standard=True)
    one, again, other = (torch.cat(dealt(data, "standard", 6, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(one.sort().values, other.sort().values)


@pytest.mark.parametrize("different", ["drawn", "all"])
def test_config_that_wants_six_different_pairs_refuses_three(different: Different) -> None:
    text = (
        f"^different: {different}, expected all six different pairs, found 6 in all\nset `train.different: standard`"
    )
    with pytest.raises(ShoepairError, match=text):
        dealt(class_of(2, standard=True), different, 4)


@pytest.mark.parametrize(("size", "sizes"), [(2, [1] * 7), (6, [2, 2, 2, 1]), (10, [3, 3, 1]), (60, [7])])
def test_whole_students_come_once_each_for_every_three_pairs(size: int, sizes: list[int]) -> None:
    data = class_of(7, standard=False)
    one, other = (list(samplers.student_batches(data, TrainConfig(batch_size=size), rng(seed))) for seed in (1, 2))
    assert [len(which) for which in one] == sizes
    assert sorted(torch.cat(one).tolist()) == list(range(7))
    assert torch.cat(one).tolist() != torch.cat(other).tolist()


def test_longer_kind_is_dealt_to_its_end() -> None:
    found = list(samplers.balanced_batches(torch.tensor([1]), torch.tensor([2, 3, 4]), 4, rng()))
    assert [len(which) for which in found] == [3, 1]
    assert sorted(torch.cat(found).tolist()) == [1, 2, 3, 4]
    assert list(samplers.balanced_batches(torch.tensor([]), torch.tensor([]), 4, rng())) == []
