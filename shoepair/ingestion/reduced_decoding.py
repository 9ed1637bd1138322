"""Decoders of photos that are too large to be decoded as they are: each photo is reduced while it is decoded.

A JPEG is reduced by its own decoder: libjpeg computes fewer pixels of each block (DCT scaling). WebP and HEIC have no
such decoder; theirs returns all rows, 3 bytes a pixel, which are averaged over squares before they become an image of
4 bytes a pixel. Smaller photos are decoded at full size. All depends on the file alone, not on the machine.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
import pillow_heif
import webp
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.WebPImagePlugin import WebPImageFile

from shoepair.ingestion import file_structure, heif_structure

MAX_WHOLE_WEBP = 12_000_000  # pixels; Pillow's decoder takes 21 bytes each
ROWS_PER_STRIP = 256
WEBP_LOSSLESS = 2  # format of libwebp
# Other pictures of a file are not decoded: thumbnails, depth, gain maps.
pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = pillow_heif.options.AUX_IMAGES = False


def find_factor(size: tuple[int, int], max_pixels: int) -> int:
    """Return the least power of two by which width and height are divided to have at most so many pixels."""
    factor = 1
    while size[0] * size[1] > max_pixels * factor**2:
        factor *= 2
    return factor


class _RowsImageFile(ImageFile.ImageFile):
    """An image whose decoder returns all its rows at once. Reduced by `draft`, as a JPEG is."""

    is_animated = False
    buffer_bytes = 3  # that the decoder takes for a pixel
    factor = 1
    _decoded = False

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:  # noqa: ARG002
        """Set the factor by which the image is reduced when it is loaded."""
        if size:
            self.factor = min(self.width // size[0], self.height // size[1])

    def load(self) -> Any:
        """Decode and reduce the image."""
        if not self._decoded:
            image = reduce_rows(self._decode(), self.mode, self.factor)
            self._size, self.im, self._decoded = image.size, image.im, True
        return super().load()

    def _decode(self) -> NDArray[np.uint8]:
        """Return the rows: (height, width, channels)."""
        raise NotImplementedError


class LargeWebpFile(_RowsImageFile):
    """A WebP of many pixels."""

    format = "WEBP"

    def _open(self) -> None:
        assert self.fp is not None
        self._content = self.fp.read()
        features = _read_webp_features(self._content)
        self._size, self._mode = (features.width, features.height), "RGBA" if features.has_alpha else "RGB"
        self.is_animated = bool(features.has_animation)
        self.buffer_bytes = 8 if features.format == WEBP_LOSSLESS else 6 if features.has_alpha else 3
        for kind, start, end in file_structure.iter_webp_chunks(self._content):
            if name := {b"ICCP": "icc_profile", b"EXIF": "exif"}.get(bytes(kind)):
                self.info.setdefault(name, self._content[start:end])
        self.tile = []

    def _decode(self) -> NDArray[np.uint8]:
        mode = webp.WebPColorMode.RGBA if self.mode == "RGBA" else webp.WebPColorMode.RGB
        try:
            return webp.WebPData.from_buffer(self._content).decode(mode)
        except webp.WebPError as error:
            raise OSError(str(error)) from None


class HeicImageFile(_RowsImageFile):
    """The primary picture of a HEIC, upright, of 8 bits."""

    format = "HEIF"

    def _open(self) -> None:
        assert self.fp is not None
        content = self.fp.read()
        heif = pillow_heif.open_heif(content, convert_hdr_to_8bit=True, remove_stride=False)
        self._picture = heif[heif.primary_index]
        self._size, self._mode = self._picture.size, self._picture.mode
        self.info = {key: self._picture.info[key] for key in ("icc_profile", "exif") if self._picture.info.get(key)}
        # libheif has turned the picture, by its own entries; EXIF's are a copy.
        pillow_heif.misc.set_orientation(self.info)
        self.info["nclx"] = heif_structure.read_heif(content).nclx
        self.tile = []

    def _decode(self) -> NDArray[np.uint8]:
        data = self._picture.data
        width, height = self._picture.size
        channels = len(self.mode)
        rows = np.frombuffer(data, np.uint8).reshape(height, self._picture.stride)
        return np.lib.stride_tricks.as_strided(
            rows, (height, width, channels), (rows.strides[0], channels, 1), writeable=False
        )


def open_webp(file: BinaryIO) -> Image.Image:
    """Open a WebP, with the decoder for its size."""
    content = file.read()
    features = _read_webp_features(content)
    large = features.width * features.height > MAX_WHOLE_WEBP
    return (LargeWebpFile if large else WebPImageFile)(io.BytesIO(content))


def open_heif(file: BinaryIO) -> Image.Image:
    """Open a HEIC or AVIF, with the decoder for its codec."""
    content = file.read()
    picture = heif_structure.read_heif(content)
    if picture.codec == heif_structure.HEVC:
        return HeicImageFile(io.BytesIO(content))
    image = AvifImageFile(io.BytesIO(content))
    image.info["nclx"] = picture.nclx
    return image


def _read_webp_features(content: bytes) -> Any:
    """Return what the header of a WebP says: width, height, alpha, animation, format."""
    config = webp.WebPDecoderConfig.new()
    try:
        config.read_features(webp.WebPData.from_buffer(content))
    except webp.WebPError as error:
        raise OSError(str(error)) from None
    return config.input


def reduce_rows(rows: NDArray[np.uint8], mode: str, factor: int) -> Image.Image:
    """Return an image of rows, each of its pixels the mean of a square, made in strips.

    Args:
        rows: (height, width, channels).
        mode: of the image.
        factor: edge of the squares; 1 copies the rows.
    """
    height, width = rows.shape[:2]
    image = Image.new(mode, (-(-width // factor), -(-height // factor)))
    for start in range(0, height, ROWS_PER_STRIP * factor):
        strip = np.ascontiguousarray(rows[start : start + ROWS_PER_STRIP * factor])
        part = Image.frombuffer(mode, (width, strip.shape[0]), strip, "raw", mode, 0, 1)
        image.paste(part.reduce(factor) if factor > 1 else part, (0, start // factor))
    return image
