"""Two shoes, one tower: what a shoe looks like is learnt once, for left and right shoes alike.

The tower makes a vector of each photo. The head sees in how far the two vectors differ and agree, both symmetric in
the two, and the distances of their colours, from which the histogram lives and a network finds hard to learn. Students
hold the camera still and exchange the shoe: left and right shoes mostly point the same way, and mirroring one of them
would make their photos less alike, not more. So a pair is looked at as it is and mirrored, and the score is the mean:
mirrored and exchanged, a pair has the same score. ("Siamese" after Bromley et al., "Signature verification using a
siamese time delay neural network", 1993.)

Since a shoe's vector does not depend on its partner, all nine combinations of a student cost six passes of the tower.

Letters: G groups of L left and L right shoes, D length of a vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.histogram import roots
from shoepair.networks import CLASSES, EDGE, Model, features, middle, reduced

LENGTH = 64  # D
HIDDEN = 32  # units of the head
MIDDLES = (3 / 7, 5 / 7)  # shares of the edge whose colours are compared
NEAR = 0.02  # added to a distance before its logarithm: nearer is the same
COLOURS = len(MIDDLES) * 4  # distances: each channel, and all together


class Siamese(Model):
    """One tower for both shoes, and a symmetric head."""

    whole_students = True

    def __init__(
        self, n: int = 4, kernel_size: int = 3, *, batch_norm: bool = False, dropout: float = 0.0, edge: int = EDGE
    ) -> None:
        super().__init__(n, kernel_size, batch_norm=batch_norm, dropout=dropout, edge=edge)
        self.features = features(3, self.shape)
        self.vector = nn.Linear(2 * 8 * n, LENGTH)
        self.scale = nn.BatchNorm1d(COLOURS)
        drop = [nn.Dropout(dropout)] if dropout else []
        self.head = nn.Sequential(
            nn.Linear(2 * LENGTH + COLOURS, HIDDEN), nn.ReLU(), *drop, nn.Linear(HIDDEN, CLASSES)
        )

    def combinations(self, shoes: Tensor) -> Tensor:
        """Logits of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G, L, L, 2).

        While training, photos are seen one way round: which one, `train.mirror` draws.
        """
        groups, each = shoes.shape[:2]
        photos = reduced(shoes.flatten(0, 2).movedim(3, 1), self.shape.edge)  # (G L 2, 3, S, S)
        apart = [_distances(*_matched(roots(middle(photos, share)), groups, each)) for share in MIDDLES]
        colours = self.scale((torch.cat(apart, dim=1).to(photos.dtype) + NEAR).log())  # (G L L, 8)
        views = [photos] if self.training else [photos, photos.flip(3)]
        answers = [self._compared(view, colours, groups, each) for view in views]
        return (sum(answers[1:], answers[0]) / len(views)).reshape(groups, each, each, CLASSES)

    def _compared(self, photos: Tensor, colours: Tensor, groups: int, each: int) -> Tensor:
        """Logits from one view: (G L 2, 3, S, S) and (G L L, 8) to (G L L, 2)."""
        maps = self.features(photos)  # (G L 2, 8n, S/16, S/16)
        vectors = self.vector(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))  # (G L 2, D)
        left, right = _matched(vectors, groups, each)
        cosines = functional.normalize(left, dim=1) * functional.normalize(right, dim=1) * LENGTH**0.5
        logits: Tensor = self.head(torch.cat([(left - right).abs(), cosines, colours], dim=1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each pair image: (B, 3, 2S, S) to (B, 2)."""
        shoes = torch.stack(x.chunk(2, dim=2), dim=1).movedim(2, 4)  # (B, 2, S, S, 3)
        return self.combinations(shoes.unsqueeze(1)).flatten(0, 2)


def _matched(values: Tensor, groups: int, each: int) -> tuple[Tensor, Tensor]:
    """Every left with every right one: (G L 2, ...) to twice (G L L, ...)."""
    rest = values.shape[1:]
    sides = values.reshape(groups, each, 2, *rest)
    shape = (groups, each, each, *rest)
    left, right = sides[:, :, None, 0].expand(shape), sides[:, None, :, 1].expand(shape)
    return left.flatten(0, 2), right.flatten(0, 2)


def _distances(left: Tensor, right: Tensor) -> Tensor:
    """Bhattacharyya's distances of colours: (B, 3, bins) twice to (B, 4) float64: each channel, and all together."""
    coefficients = (left * right).sum(dim=2)
    every = torch.cat([coefficients, coefficients.mean(dim=1, keepdim=True)], dim=1)
    return (1 - every).clamp_min(0).sqrt()
