"""Pairs in memory: the shoes of a mini-batch, downsampling, and which arrays are shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import pair_dataset
from shoepair.data.pair_dataset import InMemoryPairs
from shoepair.runtime.errors import ShoepairError

EDGE = 4


def photos(students: int = 2, edge: int = EDGE, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (students, 3, 2, edge, edge, 3), np.uint8)


def test_pairs_of_an_array_are_the_six_standard_ones() -> None:
    data = pair_dataset.make_standard_pair_dataset(photos(2))
    of_one = [(0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 2, 0), (2, 0, 0), (2, 2, 1)]
    expected = [(student, left, right) for student in range(2) for left, right, _ in of_one]
    assert data.pair_index.tolist() == [list(indices) for indices in expected]
    assert data.same.tolist() == [same for _, _, same in of_one] * 2
    assert (data.pair_index.dtype, data.same.dtype) == (torch.int64, torch.int64)


def test_class_without_students_has_no_pairs() -> None:
    data = pair_dataset.make_standard_pair_dataset(photos(0))
    assert len(data) == 0
    assert data.pair_index.shape == (0, 3)
    assert list(data.iter_pair_photos([])) == []


def test_pair_photos_are_yielded_in_the_order_of_the_mini_batches() -> None:
    images = photos(3)
    data = pair_dataset.make_standard_pair_dataset(images)
    mini_batches = [torch.tensor([17, 0]), torch.tensor([], dtype=torch.int64), torch.tensor([5, 5, 5])]
    results = list(data.iter_pair_photos(mini_batches))
    assert [shoes.shape[0] for shoes in results] == [2, 0, 3]
    for indices, shoes in zip(mini_batches, results, strict=True):
        for number, (left, right) in zip(indices.tolist(), shoes[:, 0], strict=True):
            student, above, below = data.pair_index[number].tolist()
            assert torch.equal(left, pair_dataset.scale_to_centred_float(torch.from_numpy(images[student, above, 0])))
            assert torch.equal(right, pair_dataset.scale_to_centred_float(torch.from_numpy(images[student, below, 1])))


def test_student_photos_are_yielded_in_the_order_of_the_mini_batches() -> None:
    images = photos(4)
    one, other = pair_dataset.make_standard_pair_dataset(images).iter_student_photos(
        [torch.tensor([3, 1]), torch.tensor([0])]
    )
    assert one.shape == (2, 3, 2, EDGE, EDGE, 3)
    assert torch.equal(one, pair_dataset.scale_to_centred_float(torch.from_numpy(images[[3, 1]])))
    assert torch.equal(other[0], pair_dataset.scale_to_centred_float(torch.from_numpy(images[0])))


def test_bytes_become_floats_and_floats_stay_the_same_object() -> None:
    floats = pair_dataset.scale_to_centred_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert floats.dtype == torch.float32
    torch.testing.assert_close(floats, torch.tensor([-0.5, -0.3, 0.5]))
    assert pair_dataset.scale_to_centred_float(floats) is floats


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_downsampling_takes_the_mean_of_squares_of_pixels(
    factor: int, edge: int, students: int, is_uint8: bool
) -> None:
    images = photos(students, factor * edge)
    squares = images.reshape(students, 3, 2, edge, factor, edge, factor, 3).astype(np.float64).mean((4, 6))
    expected = torch.from_numpy(squares / 255 - 0.5).float()
    given_images = (
        torch.from_numpy(images) if is_uint8 else pair_dataset.scale_to_centred_float(torch.from_numpy(images))
    )
    result = pair_dataset.downsample_to_float(given_images, edge)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("edge", [3, 8])
def test_edge_that_does_not_divide_the_photos_edge_is_refused(edge: int) -> None:
    data = pair_dataset.make_standard_pair_dataset(photos())
    message = f"^photos of 4 pixels, expected {edge} or a multiple of it\nset `train.edge` to `normalize.edge`"
    with pytest.raises(ShoepairError, match=message):
        data.downsample(edge)


def test_downsampling_copies_the_photos_and_shares_the_pairs() -> None:
    data = pair_dataset.make_standard_pair_dataset(photos())
    small = data.downsample(2)
    assert isinstance(small, InMemoryPairs)
    assert small.images.shape == (2, 3, 2, 2, 2, 3)
    assert small.pair_index is data.pair_index
    assert small.same is data.same
    assert data.downsample(EDGE) is data
    assert data.images.dtype == torch.uint8, "the photos of the caller have changed"


def test_photos_go_to_a_device_and_the_pairs_stay() -> None:
    data = pair_dataset.make_standard_pair_dataset(photos()).to_device(torch.device("meta"))
    assert (data.images.device.type, data.pair_index.device.type, data.same.device.type) == ("meta", "cpu", "cpu")
