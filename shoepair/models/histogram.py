"""The baseline that every network must beat: colour histograms, their distance, one threshold. Nothing is learnt.

Shoes of a pair have the same colours. The histogram of the middle of each photo (the border is floor), 16 bins a
channel; the distance of two histograms is Bhattacharyya's, of the coefficient's mean over the channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shoepair.data.histograms import bhattacharyya
from shoepair.models.base import Threshold, middle, reduced

BINS = 16
MIDDLE = 3 / 7  # of the photo's edge: 96 of 224 pixels, 48 of 112


def roots(photos: Tensor) -> Tensor:
    """Roots of the colour shares, so that the product of two sums up to the Bhattacharyya coefficient.

    (B, 3, M, M) of -0.5..0.5 to (B, 3, 16) float64; the squares of each channel sum up to 1.
    """
    bins = ((photos.detach().flatten(2) + 0.5) * BINS).long().clamp(0, BINS - 1)  # (B, 3, M M)
    return (_counts(bins).double() / bins.shape[2]).sqrt()


def _counts(bins: Tensor) -> Tensor:
    """How often each of the 16 bins occurs: (B, 3, M M) to (B, 3, 16)."""
    if torch.compiler.is_exporting():  # ONNX cannot count bins; this takes more memory, and says the same
        return (bins.unsqueeze(3) == torch.arange(BINS, device=bins.device)).sum(dim=2)
    place = bins + BINS * torch.arange(bins.shape[0] * 3, device=bins.device).reshape(-1, 3, 1)
    return torch.bincount(place.flatten(), minlength=bins.shape[0] * 3 * BINS).reshape(-1, 3, BINS)


class Histogram(Threshold):
    """Same where the colours of the two shoes' middles are near enough."""

    def distance(self, x: Tensor) -> Tensor:
        """Bhattacharyya's distance of each pair image's shoes: (B, 3, 2S, S) to (B,) float64."""
        photos = reduced(x, self.config.edge).chunk(2, dim=2)
        left, right = (roots(middle(photo, MIDDLE)) for photo in photos)  # (B, 3, 16)
        return bhattacharyya((left * right).sum(dim=2).mean(dim=1))
