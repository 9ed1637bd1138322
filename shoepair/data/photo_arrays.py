"""Photos that a notebook hands over: every array whose meaning is sure becomes (N, 3, 2, H, W, 3)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoepair.data import naming
from shoepair.runtime.errors import ShoepairError

STUDENT_AXES = (len(naming.PAIR_NUMBERS), len(naming.SIDES))
CHANNELS = 3
TOLERANCE = 1e-3  # beyond -0.5..0.5 and 0..1, for rounding
MAX_BYTE = 255
SURELY_BYTES = 2  # floats of 0 to more than this are 0..255; between 1 and this they may be 0..1 after some filter
SHAPE_TEXT = "(N, 3, 2, S, S, 3): student, pair, left/right, height, width, RGB"


def convert_photos(data: Any, name: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return photos as bytes, or as float32 of -0.5..0.5, without a copy where they are that already.

    Args:
        data: see `order_photo_axes`; bytes or other whole numbers of 0..255, or floats of -0.5..0.5, 0..1 or 0..255.
        name: of the argument, for messages.

    Raises:
        ShoepairError: the shape or the values can be read in no way, or in more than one.
    """
    photos = order_photo_axes(data, name)
    if photos.dtype == np.uint8 or not photos.size:
        return np.ascontiguousarray(photos, np.uint8)
    low, high = float(photos.min()), float(photos.max())  # NaN if there is one
    if photos.dtype.kind in "iu" and low >= 0 and high <= MAX_BYTE:
        return np.ascontiguousarray(photos, np.uint8)
    if photos.dtype.kind == "f":
        if low >= -0.5 - TOLERANCE and high <= 0.5 + TOLERANCE:
            return np.ascontiguousarray(photos, np.float32)
        if low >= -TOLERANCE and high <= 1 + TOLERANCE:
            return np.ascontiguousarray(photos, np.float32) - np.float32(0.5)
        if low >= 0 and SURELY_BYTES < high <= MAX_BYTE:
            # As `store.scale_to_centred_float`, whose module would load HDF5 for the stage that builds pairs.
            return (np.ascontiguousarray(photos, np.float32) - np.float32(127.5)) / np.float32(255)
    is_finite = np.isfinite([low, high]).all()
    found = f"values of {low:g} to {high:g}" if is_finite else "values that are not finite numbers"
    message = f"{name}: {found} ({photos.dtype}), expected bytes, or floats of -0.5..0.5, 0..1 or 0..255"
    raise ShoepairError(message, fix="scale them as `load_split` does: byte / 255 - 0.5")


def order_photo_axes(data: Any, name: str) -> NDArray[Any]:
    """Return photos as an array (N, 3, 2, H, W, 3) of numbers.

    Args:
        data: an array, a tensor, or a list of such for each student; the channels may be before height and width.
        name: of the argument, for messages.

    Raises:
        ShoepairError: it is something else.
    """
    try:
        photos = np.asarray([_to_array(item) for item in data] if isinstance(data, list | tuple) else _to_array(data))
    except ValueError:
        photos = np.empty(0, object)  # students of different shapes
    if photos.dtype.kind in "iuf" and photos.ndim == 6 and photos.shape[1:3] == STUDENT_AXES:
        if photos.shape[5] == CHANNELS:
            return photos
        if photos.shape[3] == CHANNELS:
            return np.moveaxis(photos, 3, 5)
    found = f"shape {photos.shape} ({photos.dtype})" if photos.dtype.kind in "iufb" else "no array of numbers"
    one = photos.ndim == 5 and photos.shape[:2] == STUDENT_AXES
    fix = "hand over one student as `data[None]`" if one else "hand over photos as `load_split` returns them"
    message = f"{name}: {type(data).__name__} with {found}, expected {SHAPE_TEXT}"
    raise ShoepairError(message, fix=fix)


def _to_array(data: Any) -> Any:
    """Return a tensor as an array; anything else as it is."""
    torch = sys.modules.get("torch")  # loaded where there is a tensor; the stage that builds pairs needs none
    if torch is None or not isinstance(data, torch.Tensor):
        return data
    tensor = data.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
