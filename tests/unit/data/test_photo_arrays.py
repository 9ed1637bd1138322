"""Photos that a notebook hands over: every array whose meaning is sure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from shoepair.data.photo_arrays import convert_photos, order_photo_axes
from shoepair.data.store import scale_to_centred_float
from shoepair.runtime.errors import ShoepairError

EDGE = 8
BYTES = np.random.default_rng(3).integers(0, 256, (2, 3, 2, EDGE, EDGE, 3), np.uint8)
FLOATS = scale_to_centred_float(BYTES)


def read_only(photos: NDArray[Any]) -> NDArray[Any]:
    copy = photos.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize(
    "data",
    [
        FLOATS,
        read_only(FLOATS),
        FLOATS.astype(np.float64),
        FLOATS.astype(">f4"),
        np.asfortranarray(FLOATS),
        FLOATS[::-1].copy()[::-1],
        BYTES.astype(np.float32),
        BYTES.astype(np.float64),
        (BYTES / 255).astype(np.float32),
        BYTES / 255,
        torch.from_numpy(FLOATS),
        torch.from_numpy(FLOATS).requires_grad_(),
        torch.from_numpy(BYTES).float(),
        list(FLOATS),
        tuple(torch.from_numpy(FLOATS)),
        FLOATS.tolist(),
        np.moveaxis(FLOATS, 5, 3),
        torch.from_numpy(FLOATS).movedim(5, 3),
    ],
)
def test_floats_of_every_usual_form_are_the_same_photos(data: object) -> None:
    photos = convert_photos(data, "data")
    assert photos.dtype == np.float32
    assert photos.flags.c_contiguous
    np.testing.assert_allclose(photos, FLOATS, atol=1e-7)


@pytest.mark.parametrize("data", [torch.from_numpy(FLOATS).half(), torch.from_numpy(FLOATS).bfloat16()])
def test_half_floats_are_taken(data: torch.Tensor) -> None:
    np.testing.assert_allclose(convert_photos(data, "data"), FLOATS, atol=2e-3)


@pytest.mark.parametrize("data", [BYTES, torch.from_numpy(BYTES), BYTES.astype(np.int64), list(BYTES), BYTES.tolist()])
def test_whole_numbers_are_bytes(data: object) -> None:
    photos = convert_photos(data, "data")
    assert photos.dtype == np.uint8
    assert (photos == BYTES).all()


def test_what_has_the_form_already_is_not_copied() -> None:
    for photos in (BYTES, FLOATS):
        assert convert_photos(photos, "data").ctypes.data == photos.ctypes.data


def test_empty_class_is_taken() -> None:
    assert convert_photos(FLOATS[:0], "data").shape == (0, 3, 2, EDGE, EDGE, 3)


with_nan = FLOATS.copy()
with_nan[1, 2, 1, 3, 4, 0] = np.nan


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (with_nan, "values that are not finite numbers"),
        (FLOATS * np.inf, "values that are not finite numbers"),
        (FLOATS * 2, "values of -1 to 1 "),
        (FLOATS * 4, "values of -2 to 2 "),
        (FLOATS + 1, r"values of 0\.5 to 1\.5 "),
        (BYTES * 2.0, "values of 0 to 510 "),
        (BYTES.astype(np.int32) * 2, "values of 0 to 510 "),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")  # of the test's own multiplication
def test_values_of_no_sure_meaning_are_refused(data: object, found: str) -> None:
    with pytest.raises(ShoepairError, match=rf"^valid: {found}.*, expected bytes, or floats of .*\nscale them as"):
        convert_photos(data, "valid")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (FLOATS[0], r"ndarray with shape \(3, 2, 8, 8, 3\).*\nhand over one student as `data\[None\]`"),
        (FLOATS[:, :, 0], "ndarray with shape"),
        (FLOATS.reshape(6, 16, 8, 3), "ndarray with shape"),
        (FLOATS[..., :1], "ndarray with shape"),
        (BYTES > 9, r"ndarray with shape .*bool"),
        ([FLOATS[0], FLOATS[1][:, :, :4]], "list with no array of numbers"),
        (torch.zeros(2, 3), r"Tensor with shape \(2, 3\)"),
        ("train", "str with no array of numbers"),
        (None, "NoneType with no array of numbers"),
        ([], r"list with shape \(0,\)"),
    ],
)
def test_other_shapes_are_refused_in_one_message(data: object, found: str) -> None:
    with pytest.raises(ShoepairError, match=rf"^data: {found}") as caught:
        order_photo_axes(data, "data")
    assert "expected (N, 3, 2, S, S, 3): student, pair, left/right, height, width, RGB" in str(caught.value)
