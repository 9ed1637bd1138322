"""Siamese network: one tower embeds each shoe, a symmetric head compares two shoes.

The head gets the differences and the products of the two embeddings, both symmetric; colour distances, on which the
histogram baseline relies and which a network hardly learns; and how much of each photo has no counterpart in the
other: every position is compared with the most similar one, wherever that is (as local descriptors in Li et al.,
"Revisiting local descriptor based image-to-class measure", 2019). Students hold the camera still and swap the shoe:
left and right shoes mostly point the same way, and mirroring one of them would make their photos less similar. So a
pair is scored as it is and mirrored, and the logits are averaged: a pair that is mirrored and has its sides swapped
gets the same logits. ("Siamese" after Bromley et al., "Signature verification using a siamese time delay neural
network", 1993.)

Since an embedding does not depend on the other shoe, all nine pairs of a student cost six passes of the tower.

Letters: G groups of L left and L right shoes, P = G L L pairs, D and E lengths of the embeddings of a photo and of a
position, M positions of a photo, A attention maps, K = 1 + len(TOP_K_DIVISORS).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.data.histogram_distance import bhattacharyya_distance
from shoepair.models.base import (
    NUM_CLASSES,
    Model,
    build_feature_extractor,
    center_crop,
    downsample_images,
    left_and_right_of_all_pairs,
)
from shoepair.models.histogram_baseline import compute_sqrt_histograms

EMBEDDING_DIM = 64  # D
HEAD_HIDDEN_UNITS = 32
CROP_SHARES = (3 / 7, 5 / 7)  # of the edge: the central squares whose colours are compared
DISTANCE_EPS = 0.02  # added to a distance before its logarithm
COLOR_DISTANCES = len(CROP_SHARES) * 4  # each channel, and all together
MAX_MAP_EDGE = 14  # positions; maps of twice this edge or more are averaged down, since M grows with its square
POSITION_BITS = 10  # of the number of a position: at most 27 x 27 are compared
LOCAL_EMBEDDING_DIM = 32  # E
ATTENTION_MAPS = 4  # A, learnt weightings of the positions
TOP_K_DIVISORS = (4, 16)  # means of all positions, and of the quarter and sixteenth with the largest mismatch
MISMATCHES = ATTENTION_MAPS + 1 + len(TOP_K_DIVISORS)  # A + K
MISMATCH_EPS = 0.003  # added to a mismatch before its logarithm
NORM_EPS = 0.001  # minimum norm in the normalisation of a local embedding: at 0 the gradient would be infinite


class Siamese(Model):
    """Siamese network: one tower for both shoes, a symmetric head on their embeddings and colours."""

    trains_on_students = True

    def make_layers(self) -> None:
        """Create the tower, the embedding layers of photos and of their positions, and the head."""
        n, dropout = self.config.n, self.config.dropout
        self.features = build_feature_extractor(3, self.config)
        self.embedding = nn.Linear(2 * 8 * n, EMBEDDING_DIM)
        self.color_norm = nn.BatchNorm1d(COLOR_DISTANCES)
        self.local_layer_count = len(self.features) // 2 + 1  # up to the third convolution: the edge is S/4
        self.local_embedding = nn.Conv2d(4 * n, LOCAL_EMBEDDING_DIM, 1)
        self.attention = nn.Conv2d(4 * n, ATTENTION_MAPS, 1)
        self.mismatch_norm = nn.BatchNorm1d(MISMATCHES)
        drop = [nn.Dropout(dropout)] if dropout else []
        inputs = 2 * EMBEDDING_DIM + COLOR_DISTANCES + MISMATCHES
        self.head = nn.Sequential(
            nn.Linear(inputs, HEAD_HIDDEN_UNITS), nn.ReLU(), *drop, nn.Linear(HEAD_HIDDEN_UNITS, NUM_CLASSES)
        )

    def forward_all_pairs(self, shoes: Tensor, *, tta: bool = True) -> Tensor:
        """Return logits of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G, L, L, 2).

        With `tta` False only one view is used, as while training, where `train.mirror_swap` mirrors it at random.
        """
        groups, per_side = shoes.shape[:2]
        photos = downsample_images(shoes.flatten(0, 2).movedim(3, 1), self.config.edge)  # (G L 2, 3, S, S)
        histograms = [compute_sqrt_histograms(center_crop(photos, share)) for share in CROP_SHARES]
        distances = [_color_distances(*_all_pairs(values, groups, per_side)) for values in histograms]
        colors = self.color_norm((torch.cat(distances, dim=1).to(photos.dtype) + DISTANCE_EPS).log())  # (P, 8)
        views = [photos, photos.flip(3)] if tta and not self.training else [photos]
        logits = [self._compare_view(view, colors, groups, per_side) for view in views]
        return (sum(logits[1:], logits[0]) / len(views)).reshape(groups, per_side, per_side, NUM_CLASSES)

    def _compare_view(self, photos: Tensor, color_distances: Tensor, group_count: int, shoes_per_side: int) -> Tensor:
        """Return the logits of one view: (G L 2, 3, S, S) and (P, 8) to (P, 2)."""
        fine = self.features[: self.local_layer_count](photos)  # (G L 2, 4n, S/4, S/4)
        maps = self.features[self.local_layer_count :](fine)  # (G L 2, 8n, S/16, S/16)
        embeddings = self.embedding(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))  # (G L 2, D)
        left, right = _all_pairs(embeddings, group_count, shoes_per_side)
        products = functional.normalize(left, dim=1) * functional.normalize(right, dim=1) * EMBEDDING_DIM**0.5
        mismatch = self._local_mismatch(fine, group_count, shoes_per_side)
        mismatch = self.mismatch_norm((mismatch + MISMATCH_EPS).log())
        logits: Tensor = self.head(torch.cat([(left - right).abs(), products, color_distances, mismatch], dim=1))
        return logits

    def _local_mismatch(self, maps: Tensor, group_count: int, shoes_per_side: int) -> Tensor:
        """Return the mismatch of local embeddings, pooled: (G L 2, 4n, H, W) to (P, A + K).

        A position's mismatch is 1 - cosine to the most similar position of the other photo: 0 for the same, up to 2.
        Pooled by attention and over the largest ones; averaged over both directions.
        """
        if torch.is_autocast_enabled(maps.device.type):  # bf16 has steps of 0.004 near 1
            with torch.autocast(maps.device.type, enabled=False):
                return self._local_mismatch(maps.float(), group_count, shoes_per_side)
        if (factor := maps.shape[-1] // MAX_MAP_EDGE) > 1:
            maps = functional.avg_pool2d(maps, factor)
        embeddings = functional.normalize(self.local_embedding(maps).flatten(2), dim=1, eps=NORM_EPS)  # (G L 2, E, M)
        attention = self.attention(maps).flatten(2).softmax(dim=2)  # (G L 2, A, M)
        left, right = _all_pairs(embeddings, group_count, shoes_per_side)
        cosines = (_largest_cosines_for_gradient if self.training else _largest_cosines)(left, right)
        mismatches = [(1 - largest).clamp_min(0) for largest in cosines]  # (P, M) of left, of right
        attentions = _all_pairs(attention, group_count, shoes_per_side)
        sides = [_pool_mismatch(*side) for side in zip(mismatches, attentions, strict=True)]
        return (sides[0] + sides[1]) / 2

    def forward(self, x: Tensor, *, tta: bool = True) -> Tensor:
        """Return the logits (B, 2) of each pair image (B, 3, 2S, S), averaged over both views by default."""
        shoes = torch.stack(x.chunk(2, dim=2), dim=1).movedim(2, 4)  # (B, 2, S, S, 3)
        return self.forward_all_pairs(shoes.unsqueeze(1), tta=tta).flatten(0, 2)

    def forward_single_view(self, images: Tensor) -> Tensor:
        """Return the logits (B, 2) of one view of each pair image."""
        return self.forward(images, tta=False)


def _all_pairs(values: Tensor, group_count: int, shoes_per_side: int) -> tuple[Tensor, Tensor]:
    """Expand every left with every right shoe of a group: (G L 2, ...) to twice (P, ...)."""
    left, right = left_and_right_of_all_pairs(values.reshape(group_count, shoes_per_side, 2, *values.shape[1:]))
    return left.flatten(0, 2), right.flatten(0, 2)


def _largest_cosines(left: Tensor, right: Tensor) -> list[Tensor]:
    """Return each position's cosine to the most similar one of the other photo: twice (P, E, M) to twice (P, M)."""
    cosines = left.transpose(1, 2) @ right  # (P, M, M): left positions, right positions
    return [cosines.amax(dim=2), cosines.amax(dim=1)]


def _largest_cosines_for_gradient(left: Tensor, right: Tensor) -> list[Tensor]:
    """Return the same: the most similar positions are searched without a gradient, and their cosines computed again.

    The gradient of all cosines is 0 but for one of M; to compute it took a tenth of a training. A key is a cosine in
    steps of a millionth, with its position in the lowest bits: `amax` of keys takes a tenth of the time of `max`.
    """
    with torch.no_grad():
        numbers = torch.arange(left.shape[2], dtype=torch.int32, device=left.device)
        cosines = (left * 2 ** (30 - POSITION_BITS)).transpose(1, 2) @ right
        keys = cosines.to(torch.int32).bitwise_left_shift_(POSITION_BITS).add_(numbers)  # with the right position
        of_left = keys.amax(dim=2)
        of_right = keys.add_(numbers[:, None] - numbers).amax(dim=1)  # with the left position instead
        most_similar = [key & (2**POSITION_BITS - 1) for key in (of_left, of_right)]
    left, right = (side.transpose(1, 2).contiguous() for side in (left, right))  # (P, M, E): embeddings as rows
    pairs, positions, _ = left.shape
    first_rows = torch.arange(pairs, device=left.device)[:, None] * positions
    return [
        (side * other.flatten(0, 1).index_select(0, (rows + first_rows).flatten()).view_as(side)).sum(dim=2)
        for side, other, rows in zip((left, right), (right, left), most_similar, strict=True)
    ]


def _pool_mismatch(mismatch: Tensor, attention: Tensor) -> Tensor:
    """Average mismatches (P, M) by attention (P, A, M) and over the largest ones: (P, A + K)."""
    attended = (attention * mismatch.unsqueeze(1)).sum(dim=2)
    counts = [max(1, mismatch.shape[1] // divisor) for divisor in TOP_K_DIVISORS]
    largest = mismatch.topk(counts[0], dim=1).values
    means = [mismatch.mean(dim=1, keepdim=True), *(largest[:, :count].mean(dim=1, keepdim=True) for count in counts)]
    return torch.cat([attended, *means], dim=1)


def _color_distances(left: Tensor, right: Tensor) -> Tensor:
    """Return Bhattacharyya distances of (B, 3, bins) and the same: (B, 4) float64, each channel and all together."""
    coefficients = (left * right).sum(dim=2)
    return bhattacharyya_distance(torch.cat([coefficients, coefficients.mean(dim=1, keepdim=True)], dim=1))
