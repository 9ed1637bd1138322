"""Pairs in memory: which shoes a batch has, what averaging down does, what is shared and what is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import pair_dataset
from shoepair.data.pair_dataset import PairData
from shoepair.runtime.errors import ShoepairError

EDGE = 4


def photos(students: int = 2, edge: int = EDGE, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (students, 3, 2, edge, edge, 3), np.uint8)


def test_pairs_of_an_array_are_the_nine_without_the_three_that_are_not_standard() -> None:
    data = pair_dataset.from_arrays(photos(2))
    of_one = [(0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 0, 0), (2, 2, 1)]
    expected = [(student, left, right) for student in range(2) for left, right, _ in of_one]
    assert data.shoes.tolist() == [list(each) for each in expected]
    assert data.same.tolist() == [same for _, _, same in of_one] * 2
    assert (data.shoes.dtype, data.same.dtype) == (torch.int64, torch.int64)


def test_class_of_nobody_has_no_pairs() -> None:
    data = pair_dataset.from_arrays(photos(0))
    assert len(data) == 0
    assert data.shoes.shape == (0, 3)
    assert list(data.pairs([])) == []


def test_batches_come_in_the_order_of_the_plan() -> None:
    images = photos(3)
    data = pair_dataset.from_arrays(images)
    plan = [torch.tensor([17, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([5, 5, 5])]
    found = list(data.pairs(plan))
    assert [each.shape[0] for each in found] == [2, 0, 3]
    for which, shoes in zip(plan, found, strict=True):
        for number, (left, right) in zip(which.tolist(), shoes[:, 0], strict=True):
            student, above, below = data.shoes[number].tolist()
            assert torch.equal(left, pair_dataset.floats(torch.from_numpy(images[student, above, 0])))
            assert torch.equal(right, pair_dataset.floats(torch.from_numpy(images[student, below, 1])))


def test_students_come_whole_and_in_the_order_of_the_plan() -> None:
    images = photos(4)
    one, other = pair_dataset.from_arrays(images).students([torch.tensor([3, 1]), torch.tensor([0])])
    assert one.shape == (2, 3, 2, EDGE, EDGE, 3)
    assert torch.equal(one, pair_dataset.floats(torch.from_numpy(images[[3, 1]])))
    assert torch.equal(other[0], pair_dataset.floats(torch.from_numpy(images[0])))


def test_bytes_become_floats_and_floats_stay_the_same_object() -> None:
    found = pair_dataset.floats(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor([-0.5, -0.3, 0.5]))
    assert pair_dataset.floats(found) is found


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_averaging_down_takes_the_mean_of_squares_of_pixels(
    factor: int, edge: int, students: int, large: bool
) -> None:
    images = photos(students, factor * edge)
    squares = images.reshape(students, 3, 2, edge, factor, edge, factor, 3).astype(np.float64).mean((4, 6))
    wanted = torch.from_numpy(squares / 255 - 0.5).float()
    given_as = torch.from_numpy(images) if large else pair_dataset.floats(torch.from_numpy(images))
    found = pair_dataset.shrunk(given_as, edge)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, atol=2e-6, rtol=0)


@pytest.mark.parametrize("edge", [3, 8])
def test_edge_that_is_no_whole_part_is_refused(edge: int) -> None:
    data = pair_dataset.from_arrays(photos())
    text = f"^photos of 4 pixels, expected {edge} or a multiple of it\nset `train.edge` to `normalize.edge`"
    with pytest.raises(ShoepairError, match=text):
        data.at(edge)


def test_smaller_photos_are_other_ones_of_the_same_pairs() -> None:
    data = pair_dataset.from_arrays(photos())
    small = data.at(2)
    assert isinstance(small, PairData)
    assert small.images.shape == (2, 3, 2, 2, 2, 3)
    assert small.shoes is data.shoes
    assert small.same is data.same
    assert data.at(EDGE) is data
    assert data.images.dtype == torch.uint8, "the photos of the caller have changed"


def test_photos_go_to_a_device_and_the_pairs_stay() -> None:
    data = pair_dataset.from_arrays(photos()).on(torch.device("meta"))
    assert (data.images.device.type, data.shoes.device.type, data.same.device.type) == ("meta", "cpu", "cpu")
