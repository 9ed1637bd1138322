"""Two shoes, one tower: what a shoe looks like is learnt once, for left and right shoes alike.

The tower makes a vector of each photo. The head sees in how far the two vectors differ and agree, both symmetric in
the two; the distances of their colours, from which the histogram lives and a network finds hard to learn; and how much
of each photo has no counterpart in the other: every place looks for the place most like it, wherever that is (as local
descriptors are compared in Li et al., "Revisiting local descriptor based image-to-class measure", 2019). Students
hold the camera still and exchange the shoe: left and right shoes mostly point the same way, and mirroring one of them
would make their photos less alike, not more. So a pair is looked at as it is and mirrored, and the score is the mean:
mirrored and exchanged, a pair has the same score. ("Siamese" after Bromley et al., "Signature verification using a
siamese time delay neural network", 1993.)

Since a shoe's vector does not depend on its partner, all nine combinations of a student cost six passes of the tower.

Letters: G groups of L left and L right shoes, D length of a vector, M places of a photo, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.data.histograms import bhattacharyya
from shoepair.models.base import CLASSES, Model, features, matched, middle, reduced
from shoepair.models.histogram import roots

LENGTH = 64  # D
HIDDEN = 32  # units of the head
MIDDLES = (3 / 7, 5 / 7)  # shares of the edge whose colours are compared
NEAR = 0.02  # added to a distance before its logarithm: nearer is the same
COLOURS = len(MIDDLES) * 4  # distances: each channel, and all together
FINEST = 14  # places along an edge, up to twice as many: larger maps are averaged down, for M grows with their square
PLACE = 32  # length of the vector of a place
GAZES = 4  # learnt weightings of the places
WORST = (1, 4, 16)  # the mean of all places, of the quarter and of the sixteenth without a counterpart
CLOSE = 0.003  # added to what is missing before its logarithm
FAINT = 0.001  # length of a place's vector below which it has no direction: that of 0 would have an endless gradient


class Siamese(Model):
    """One tower for both shoes, and a symmetric head."""

    whole_students = True

    def make_layers(self) -> None:
        """The tower, the vectors of a photo and of its places, and the head."""
        n, dropout = self.config.n, self.config.dropout
        self.features = features(3, self.config)
        self.vector = nn.Linear(2 * 8 * n, LENGTH)
        self.scale = nn.BatchNorm1d(COLOURS)
        self.fine = len(self.features) * 3 // 4  # layers; after them the edge is an eighth
        self.place = nn.Conv2d(4 * n, PLACE, 1)
        self.gaze = nn.Conv2d(4 * n, GAZES, 1)
        self.missing = nn.BatchNorm1d(GAZES + len(WORST))
        drop = [nn.Dropout(dropout)] if dropout else []
        inputs = 2 * LENGTH + COLOURS + GAZES + len(WORST)
        self.head = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), *drop, nn.Linear(HIDDEN, CLASSES))

    def combinations(self, shoes: Tensor) -> Tensor:
        """Logits of every left with every right shoe of a group: (G, L, 2, S, S, 3) to (G, L, L, 2).

        While training, photos are seen one way round: which one, `train.mirror` draws.
        """
        groups, each = shoes.shape[:2]
        photos = reduced(shoes.flatten(0, 2).movedim(3, 1), self.config.edge)  # (G L 2, 3, S, S)
        apart = [_distances(*_matched(roots(middle(photos, share)), groups, each)) for share in MIDDLES]
        colours = self.scale((torch.cat(apart, dim=1).to(photos.dtype) + NEAR).log())  # (G L L, 8)
        views = [photos] if self.training else [photos, photos.flip(3)]
        answers = [self._compared(view, colours, groups, each) for view in views]
        return (sum(answers[1:], answers[0]) / len(views)).reshape(groups, each, each, CLASSES)

    def _compared(self, photos: Tensor, colours: Tensor, groups: int, each: int) -> Tensor:
        """Logits from one view: (G L 2, 3, S, S) and (G L L, 8) to (G L L, 2)."""
        fine = self.features[: self.fine](photos)  # (G L 2, 4n, S/8, S/8)
        maps = self.features[self.fine :](fine)  # (G L 2, 8n, S/16, S/16)
        vectors = self.vector(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))  # (G L 2, D)
        left, right = _matched(vectors, groups, each)
        cosines = functional.normalize(left, dim=1) * functional.normalize(right, dim=1) * LENGTH**0.5
        missing = self.missing((self._unlike(fine, groups, each) + CLOSE).log())
        logits: Tensor = self.head(torch.cat([(left - right).abs(), cosines, colours, missing], dim=1))
        return logits

    def _unlike(self, maps: Tensor, groups: int, each: int) -> Tensor:
        """How far the places of each shoe are from the most alike one of the other: (G L 2, 4n, H, W) to (G L L, 7).

        0 where every place has its like, up to 2; the mean of both shoes, weighted by each gaze, and of the worst.
        """
        if torch.is_autocast_enabled(maps.device.type):  # bf16 tells cosines near 1 apart by 0.004 only
            with torch.autocast(maps.device.type, enabled=False):
                return self._unlike(maps.float(), groups, each)
        if (coarser := maps.shape[-1] // FINEST) > 1:
            maps = functional.avg_pool2d(maps, coarser)
        places = functional.normalize(self.place(maps).flatten(2), dim=1, eps=FAINT)  # (G L 2, PLACE, M)
        gazes = self.gaze(maps).flatten(2).softmax(dim=2)  # (G L 2, GAZES, M)
        left, right = _matched(places, groups, each)
        alike = left.transpose(1, 2) @ right  # (P, M, M) cosines
        apart = [(1 - alike.amax(dim=other)).clamp_min(0) for other in (2, 1)]  # (P, M): left's places, right's places
        sides = [_summed(*both) for both in zip(apart, _matched(gazes, groups, each), strict=True)]
        return (sides[0] + sides[1]) / 2

    def answer(self, images: Tensor) -> Tensor:
        """See `Model`."""
        shoes = torch.stack(images.chunk(2, dim=2), dim=1).movedim(2, 4)  # (B, 2, S, S, 3)
        return self.combinations(shoes.unsqueeze(1)).flatten(0, 2)


def _matched(values: Tensor, groups: int, each: int) -> tuple[Tensor, Tensor]:
    """Every left with every right one: (G L 2, ...) to twice (G L L, ...)."""
    left, right = matched(values.reshape(groups, each, 2, *values.shape[1:]))
    return left.flatten(0, 2), right.flatten(0, 2)


def _summed(apart: Tensor, gazes: Tensor) -> Tensor:
    """Means over places: (P, M) and weights (P, GAZES, M) to (P, GAZES + len(WORST))."""
    gazed = (gazes * apart.unsqueeze(1)).sum(dim=2)
    count = apart.shape[1]
    worst = [apart.topk(max(1, count // part), dim=1).values.mean(dim=1, keepdim=True) for part in WORST]
    return torch.cat([gazed, *worst], dim=1)


def _distances(left: Tensor, right: Tensor) -> Tensor:
    """Bhattacharyya's distances of colours: (B, 3, bins) twice to (B, 4) float64: each channel, and all together."""
    coefficients = (left * right).sum(dim=2)
    return bhattacharyya(torch.cat([coefficients, coefficients.mean(dim=1, keepdim=True)], dim=1))
