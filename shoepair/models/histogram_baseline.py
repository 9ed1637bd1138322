"""Histogram baseline: Bhattacharyya distance of colour histograms, compared with one threshold.

Shoes of a pair have the same colours. The histograms are those of the center of each photo (the border is floor), 16
bins a channel; the Bhattacharyya coefficient is averaged over the channels. Every network must beat this baseline.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shoepair.data.histogram_distance import bhattacharyya_distance
from shoepair.models.base import ThresholdModel, center_crop, downsample_images

BINS_PER_CHANNEL = 16
CENTER_SHARE = 3 / 7  # of the photo's edge: 96 of 224 pixels, 48 of 112


def compute_sqrt_histograms(photos: Tensor) -> Tensor:
    """Return square roots of normalised colour histograms: (B, 3, M, M) of -0.5..0.5 to (B, 3, 16) float64.

    The dot product of two of them is the Bhattacharyya coefficient; the squares of each channel sum up to 1.
    """
    bins = ((photos.detach().flatten(2) + 0.5) * BINS_PER_CHANNEL).long().clamp(0, BINS_PER_CHANNEL - 1)  # (B, 3, M M)
    return (_count_bins(bins).double() / bins.shape[2]).sqrt()


def _count_bins(bin_numbers: Tensor) -> Tensor:
    """Count how often each of the 16 bins occurs: (B, 3, M M) to (B, 3, 16)."""
    if torch.compiler.is_exporting():  # ONNX has no bincount; this takes more memory
        return (bin_numbers.unsqueeze(3) == torch.arange(BINS_PER_CHANNEL, device=bin_numbers.device)).sum(dim=2)
    histograms = bin_numbers.shape[0] * 3
    offsets = BINS_PER_CHANNEL * torch.arange(histograms, device=bin_numbers.device).reshape(-1, 3, 1)
    counts = torch.bincount((bin_numbers + offsets).flatten(), minlength=histograms * BINS_PER_CHANNEL)
    return counts.reshape(-1, 3, BINS_PER_CHANNEL)


class HistogramBaseline(ThresholdModel):
    """Baseline: same where the colour histograms of the two photos' centers are close enough."""

    def compute_distances(self, pair_images: Tensor) -> Tensor:
        """Return the Bhattacharyya distance of each pair's histograms: (B, 3, 2S, S) to (B,) float64."""
        photos = downsample_images(pair_images, self.config.edge).chunk(2, dim=2)
        left, right = (compute_sqrt_histograms(center_crop(photo, CENTER_SHARE)) for photo in photos)  # (B, 3, 16)
        return bhattacharyya_distance((left * right).sum(dim=2).mean(dim=1))
