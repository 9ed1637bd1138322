"""The interface between a pretrained network and the models that compare its maps.

A backbone turns photos into maps at some depths. Each depth can be computed from the one before it, so maps that are
stored need no photo: `maps_from(photos, PHOTOS)` gives all depths, `maps_from(maps, depth)` those after `depth`.

Letters: B photos, S edge of a photo, C channels of a map, H its edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from shoepair.models.config import BackboneConfig

PHOTOS = "photos"  # the start, before the first depth


class Backbone(nn.Module):
    """Base class of the pretrained networks: photos to maps.

    Args:
        config: the sizes of the layers.

    Attributes:
        edge: S of the photos it was trained with, in pixels; it takes others too.
        mean, deviation: of the values that it was trained with, as shares of the largest byte.
        depths: names of the maps, in order.
        tuned_from: the depth from which fine-tuning trains on; the layers before it stay as they are.
        compared: the depths that the models compare, all of them after `tuned_from`.
        stored: the depths that stage `features` stores: the others are cheap to compute from them.
    """

    edge: ClassVar[int]
    mean: ClassVar[float]
    deviation: ClassVar[float]
    depths: ClassVar[tuple[str, ...]]
    tuned_from: ClassVar[str]
    compared: ClassVar[tuple[str, ...]]
    stored: ClassVar[tuple[str, ...]]

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def read_sizes(cls, weights: Mapping[str, Tensor]) -> BackboneConfig:
        """Return the sizes of the layers that weights were trained with.

        Raises:
            KeyError, ValueError: they are not those of such a network.
        """
        raise NotImplementedError

    def compute_next(self, x: Tensor, depth: str) -> Tensor:
        """Return the maps of a depth (B, C, H, H) from those of the one before it, or from standardised photos."""
        raise NotImplementedError

    def count_channels(self, depth: str) -> int:
        """Return C, the channels of the maps of a depth."""
        raise NotImplementedError

    def map_edge(self, depth: str, photo_edge: int) -> int:
        """Return H, the edge of the maps of a depth for photos of an edge."""
        raise NotImplementedError

    def merge_norms(self) -> None:
        """Merge each normalisation into the convolution before it: the same maps, less work, no training."""
        raise NotImplementedError

    def tuned_modules(self) -> list[nn.Module]:
        """Return the layers after `tuned_from`."""
        raise NotImplementedError

    def maps_from(self, x: Tensor, start: str = PHOTOS, end: str = "") -> dict[str, Tensor]:
        """Return the maps of all depths after `start` by name.

        Args:
            x: photos (B, 3, S, S) of -0.5..0.5, or the maps of the depth `start`.
            start: `PHOTOS` or a depth.
            end: the last depth that is computed; "": that of the network.
        """
        if start == PHOTOS:
            x = (x + (0.5 - self.mean)) / self.deviation
        first = 0 if start == PHOTOS else self.depths.index(start) + 1
        maps = {}
        for depth in self.depths[first : self.depths.index(end) + 1 if end else None]:
            maps[depth] = x = self.compute_next(x, depth)
        return maps


def pad_as_tensorflow(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad maps for a convolution as TensorFlow does: more below and to the right than above and to the left."""
    sizes = [max((-(-edge // stride) - 1) * stride + kernel - edge, 0) for edge in (x.shape[3], x.shape[2])]
    return functional.pad(x, [part for size in sizes for part in (size // 2, size - size // 2)])


def scale_photos(photos: Tensor, edge: int) -> Tensor:
    """Scale photos (B, 3, T, T) to an edge: averaged where T is a multiple of it, else interpolated."""
    factor, rest = divmod(photos.shape[-1], edge)
    if not rest:
        return functional.avg_pool2d(photos, factor) if factor > 1 else photos
    return functional.interpolate(photos, (edge, edge), mode="bilinear", antialias=True)
