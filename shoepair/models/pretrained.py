"""Models that compare the maps of a pretrained network: `efficientnet_frozen` and `efficientnet_finetuned`.

Six similarities of two photos at each of three depths, and the distance of their colours, all as logarithms,
standardised; a logistic regression of these numbers gives the logit. A pair is scored as it is and mirrored, and the
logits are averaged. The frozen model trains the regression alone; the fine-tuned one starts from it and trains the
last blocks of the network too.

Such a model takes photos, or the maps that stage `features` has stored of them (`data/features_file.py`): the layers
before the maps do not change. A photo and its maps give the same logits up to the rounding of the store.

Letters: B photos, S edge of a photo, V views (as it is, mirrored, perhaps augmented ones), K numbers of a view (maps
one after another, then colours), G groups of L left and L right shoes, C channels of a map, M places of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.data.features_file import COLOR_SHAPE, COLORS, FeaturesKind
from shoepair.data.histogram_distance import bhattacharyya_distance
from shoepair.models.backbone import Backbone, scale_photos
from shoepair.models.base import Model, center_crop
from shoepair.models.config import PretrainedLayers
from shoepair.models.efficientnet import EfficientNetLite
from shoepair.models.histogram_baseline import CENTER_SHARE, compute_sqrt_histograms

SIMILARITIES = 6  # of each depth
MISMATCH_EPS = 0.003  # added to 1 - similarity before its logarithm
DISTANCE_EPS = 0.02  # added to a colour distance before its logarithm
MIDDLE_SHARE = 0.5  # of the edge of a map
COMPARISON_LR_FACTOR = 10.0  # of its learning rate, to that of the network
TOP_K_DIVISORS = (1, 4, 16)  # means of all places, and of the quarter and sixteenth that match worst

Description = dict[str, Tensor]  # what is compared of photos, by name; the first dimensions are those of the photos


def embed_photos(backbone: Backbone, photos: Tensor, edge: int, depths: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return what is stored of photos, by name, before it is rounded to the precision of the store.

    Args:
        backbone: the pretrained network.
        photos: (B, 3, S, S) of -0.5..0.5.
        edge: that photos are scaled to.
        depths: the wanted depths, in order; by default those of `Backbone.stored`.

    Returns:
        The maps of each depth (B, C, H, H), and the colours (B, 3, 16) in double precision.
    """
    depths = depths or backbone.stored
    scaled = scale_photos(photos, edge)
    maps = backbone.maps_from(scaled, end=depths[-1])
    named = {depth: maps[depth] for depth in depths}
    named[COLORS] = compute_sqrt_histograms(center_crop(scaled, CENTER_SHARE))
    return named


def mirror_views(photos: Tensor) -> Tensor:
    """Return the two views of photos, as they are and mirrored: (B, 3, S, S) to (B, 2, 3, S, S)."""
    return torch.stack([photos, photos.flip(3)], dim=1)


class PretrainedModel(Model):
    """Base class of the models on a pretrained network; see the text of this module."""

    config: PretrainedLayers  # type: ignore[assignment]  # its own layers, instead of those of the course's networks
    config_class = PretrainedLayers  # type: ignore[assignment]  # likewise
    trains_on_students = True
    mean: Tensor
    deviation: Tensor
    backbone_class: ClassVar[type[Backbone]]
    is_tuned: ClassVar[bool]  # whether the last blocks of the network are trained

    def make_layers(self) -> None:
        """Create the network and the comparison; weights that are not trained are buffers."""
        self.backbone = self.backbone_class(self.config.backbone)
        self.backbone.eval()
        tuned = [] if not self.is_tuned else self.backbone.tuned_modules()
        _freeze(self.backbone, {id(weight) for module in tuned for weight in module.parameters()})
        for depth in self.backbone.compared:
            self.register_buffer(f"center_{depth}", torch.zeros(2, self.backbone.count_channels(depth)))
        count = SIMILARITIES * len(self.backbone.compared) + 1
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))
        self.comparison = nn.Linear(count, 1)

    def count_parameters(self) -> int:
        """Return the number of weights of the network, trained here or before, and of the comparison."""
        kept = (".running_mean", ".running_var", ".num_batches_tracked")  # statistics of normalisations
        weights = [*self.backbone.state_dict().items(), *self.comparison.state_dict().items()]
        return sum(weight.numel() for name, weight in weights if not name.endswith(kept))

    @property
    def features_kind(self) -> FeaturesKind:
        """What stored features must be of."""
        return FeaturesKind(self.config.weights, self.config.sha256, self.config.edge)

    @property
    def stored_names(self) -> tuple[str, ...]:
        """Names of what the model reads of the stored features, in the order of K."""
        backbone = self.backbone
        depths = (
            [backbone.tuned_from] if self.is_tuned else [name for name in backbone.compared if name in backbone.stored]
        )
        return (*depths, COLORS)

    def train(self, mode: bool = True) -> PretrainedModel:  # torch's signature
        """Set the mode of training; batch normalisation keeps the statistics of its weights."""
        super().train(mode)
        self.backbone.eval()
        return self

    def embed(self, photos: Tensor) -> Tensor:
        """Return the numbers of photos, as they are and mirrored: (B, 3, S, S) to (B, 2, K) float32.

        The store has them in half precision. Here they are not rounded: their last bits, which differ between machines
        and in an export, would now and then round to another half, and move a logit by more than 1e-4.
        """
        depths = [name for name in self.stored_names if name != COLORS]
        named = embed_photos(self.backbone, mirror_views(photos).flatten(0, 1), self.config.edge, depths)
        flat = torch.cat([named[name].flatten(1).to(photos.dtype) for name in self.stored_names], dim=1)
        return flat.reshape(photos.shape[0], 2, -1)  # `len` would fix the number in an export

    def describe(self, features: Tensor) -> Description:
        """Return what is compared of views of photos, by name: (R, K) to rows (R, ...)."""
        maps, x = {}, features.to(self.mean.dtype)
        start = 0
        for name in self.stored_names:
            shape = self._shape(name)
            length = shape.numel()
            maps[name] = x[:, start : start + length].reshape(x.shape[0], *shape)
            start += length
        return self._describe_maps(maps, self.stored_names[-2])

    def _describe_maps(self, maps: dict[str, Tensor], last: str) -> Description:
        """Return what is compared of views, from their colours and their maps up to the depth `last`."""
        maps = maps | self.backbone.maps_from(maps[last], last)
        described = {COLORS: maps[COLORS]}
        for depth in self.backbone.compared:
            described[f"{depth} mean"] = maps[depth].mean(dim=(2, 3))
            described[f"{depth} middle"] = center_crop(maps[depth], MIDDLE_SHARE).mean(dim=(2, 3))
            described[f"{depth} places"] = functional.normalize(maps[depth].flatten(2), dim=1)
        return described

    def _shape(self, name: str) -> torch.Size:
        """Return the shape of stored numbers of a view."""
        if name == COLORS:
            return torch.Size(COLOR_SHAPE)
        edge = self.backbone.map_edge(name, self.config.edge)
        return torch.Size((self.backbone.count_channels(name), edge, edge))

    def compare(self, left: Description, right: Description) -> Tensor:
        """Return the numbers of every left with every right shoe of a set: (T, A, ...), (T, B, ...) to (T, A, B, 19).

        There are T sets of A left and B right shoes each, such as the views of a group.
        """
        numbers = []
        for depth in self.backbone.compared:
            means, middles = (self.get_center(depth, name) for name in ("mean", "middle"))
            for name, center in (("mean", torch.zeros_like(means)), ("mean", means), ("middle", middles)):
                sides = (functional.normalize(side[f"{depth} {name}"] - center, dim=2) for side in (left, right))
                numbers.append(1 - torch.matmul(next(sides), next(sides).transpose(1, 2)))
            numbers += _place_mismatches(left[f"{depth} places"], right[f"{depth} places"])
        coefficients = (left[COLORS].unsqueeze(2) * right[COLORS].unsqueeze(1)).sum(dim=4).mean(dim=3)
        distance = bhattacharyya_distance(coefficients)
        logs = (torch.stack(numbers, dim=3).clamp_min(0) + MISMATCH_EPS).log()
        return torch.cat([logs, (distance + DISTANCE_EPS).log().unsqueeze(3)], dim=3)

    def numbers_of_all_pairs(self, features: Tensor) -> Tensor:
        """Return the numbers of every left with every right shoe of a group: (G, L, 2, V, K) to (G, L, L, V, 19)."""
        groups, per_side, _, views = features.shape[:4]
        described = self.describe(features.movedim(3, 1).flatten(0, 3))  # rows of group, view, shoe, side
        by_side = {name: values.reshape(-1, per_side, 2, *values.shape[1:]) for name, values in described.items()}
        sides = ({name: values[:, :, side] for name, values in by_side.items()} for side in (0, 1))
        return self.compare(*sides).reshape(groups, views, per_side, per_side, -1).movedim(1, 3)

    def logits_of_numbers(self, numbers: Tensor) -> Tensor:
        """Return the logits of numbers, different and same, the mean over views: (..., V, 19) to (..., 2)."""
        same: Tensor = self.comparison((numbers - self.mean) / self.deviation).squeeze(-1).mean(dim=-1)
        return torch.stack([torch.zeros_like(same), same], dim=-1)

    def describe_photos(self, photos: Tensor) -> Description:
        """Return what is compared of photos, each in both views: (B, 3, S, S) to rows (V, B, ...) by name."""
        return self.describe_embedded(self.embed_start(photos))

    def embed_start(self, photos: Tensor) -> dict[str, Tensor]:
        """Return what does not depend on training: (B, 3, S, S) to the maps of `Backbone.tuned_from` and colours.

        Rows are the photos, and of each the two views.
        """
        depths = [self.backbone.tuned_from]
        return embed_photos(self.backbone, mirror_views(photos).flatten(0, 1), self.config.edge, depths)

    def describe_embedded(self, start: dict[str, Tensor]) -> Description:
        """Return what is compared of photos, from the result of `embed_start`: rows (V, B, ...) by name."""
        maps = {name: rows.to(self.mean.dtype) for name, rows in start.items()}
        described = self._describe_maps(maps, self.backbone.tuned_from)
        return {name: rows.reshape(-1, 2, *rows.shape[1:]).transpose(0, 1) for name, rows in described.items()}

    def compare_described(self, left: Description, right: Description) -> Tensor:
        """Return the logits of every left with every right photo: rows (V, A, ...) and (V, B, ...) to (A, B, 2)."""
        return self.logits_of_numbers(self.compare(left, right).movedim(0, 2))

    def forward_all_pairs(self, shoes: Tensor, *, tta: bool = True) -> Tensor:  # noqa: ARG002  # always both views
        """Return logits of every left with every right shoe of a group, to (G, L, L, 2).

        Args:
            shoes: photos (G, L, 2, S, S, 3), or their stored numbers (G, L, 2, V, K).
            tta: without effect: both views are always used.
        """
        if shoes.dim() == 6:
            features = self.embed(shoes.flatten(0, 2).movedim(3, 1))
            shoes = features.reshape(*shoes.shape[:3], *features.shape[1:])
        return self.logits_of_numbers(self.numbers_of_all_pairs(shoes))

    def forward(self, x: Tensor, *, tta: bool = True) -> Tensor:
        """Return the logits (B, 2) of each pair image (B, 3, 2S, S)."""
        shoes = torch.stack(x.chunk(2, dim=2), dim=1).movedim(2, 4)  # (B, 2, S, S, 3)
        return self.forward_all_pairs(shoes.unsqueeze(1), tta=tta).flatten(0, 2)

    def parameter_groups(self) -> list[dict[str, object]]:
        """Return the parameters in their order, as an optimizer takes them: the comparison learns faster."""
        comparison = list(self.comparison.parameters())
        return [
            {"params": list(self.backbone.parameters())},
            {"params": comparison, "lr_factor": COMPARISON_LR_FACTOR},
        ]

    def get_center(self, depth: str, name: str) -> Tensor:
        """Return the training mean of a described vector, (C,), a part of a buffer."""
        center: Tensor = getattr(self, f"center_{depth}")[0 if name == "mean" else 1]
        return center

    def center_names(self) -> list[tuple[str, str]]:
        """Return depth and name of the described vectors that have a training mean, two a depth."""
        return [(depth, name) for depth in self.backbone.compared for name in ("mean", "middle")]


class EfficientNetFrozen(PretrainedModel):
    """EfficientNet-Lite as it is, with a logistic regression of similarities."""

    is_trained_by_gradient = False
    backbone_class = EfficientNetLite
    is_tuned = False


class EfficientNetFinetuned(PretrainedModel):
    """EfficientNet-Lite, its last blocks and head trained, with the same comparison."""

    backbone_class = EfficientNetLite
    is_tuned = True


def _freeze(module: nn.Module, tuned: set[int]) -> None:
    """Turn the parameters of a module into buffers, but for those whose `id` is in `tuned`."""
    for layer in module.modules():
        for name, weight in list(layer.named_parameters(recurse=False)):
            if id(weight) not in tuned:
                delattr(layer, name)
                layer.register_buffer(name, weight.detach())


def _place_mismatches(left: Tensor, right: Tensor) -> list[Tensor]:
    """Return 1 - similarity of places and the most similar place of the other photo, of every left and right photo.

    Of (T, A, C, M) and (T, B, C, M) three (T, A, B), of both directions the mean: of all places, and of the quarter
    and sixteenth that match worst. One product of matrices compares all places of a set.
    """
    places = left.shape[3]
    rows = left.transpose(2, 3).flatten(1, 2)  # (T, A M, C)
    columns = right.movedim(1, 2).flatten(2, 3)  # (T, C, B M)
    cosines = torch.matmul(rows, columns).reshape(-1, left.shape[1], places, right.shape[1], places)
    best = (cosines.amax(dim=4).transpose(2, 3), cosines.amax(dim=2))  # (T, A, B, M) of left, of right
    worst = [max(1, places // divisor) for divisor in TOP_K_DIVISORS]
    one, other = ([(1 - side).topk(count, dim=3).values.mean(dim=3) for count in worst] for side in best)
    return [(left_mean + right_mean) / 2 for left_mean, right_mean in zip(one, other, strict=True)]
