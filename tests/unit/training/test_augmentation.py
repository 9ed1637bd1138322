"""Augmentation: what it may change in training photos and what it must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shoepair.runtime.errors import ShoepairError
from shoepair.training.augmentation import augment_photos
from shoepair.training.config import AugmentationConfig


def shoes(groups: int = 5, per_side: int = 3, edge: int = 32) -> Tensor:
    return torch.rand((groups, per_side, 2, edge, edge, 3), generator=torch.Generator().manual_seed(1)) - 0.5


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_default_config_changes_nothing() -> None:
    photos = shoes()
    assert augment_photos(photos, AugmentationConfig(), rng()) is photos


@pytest.mark.parametrize(
    "augmentation",
    [
        AugmentationConfig(mirror_swap=True),
        AugmentationConfig(swap_sides=True),
        AugmentationConfig(color_jitter=1.0),
        AugmentationConfig(affine=1.0),
    ],
)
def test_changes_follow_from_the_seed_and_leave_the_argument_alone(augmentation: AugmentationConfig) -> None:
    photos = shoes()
    original = photos.clone()
    one, again, other = (
        augment_photos(photos, augmentation, rng()),
        augment_photos(photos, augmentation, rng()),
        augment_photos(photos, augmentation, rng(2)),
    )
    assert one.shape == photos.shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(photos, original)
    assert one.min() >= -0.5
    assert one.max() <= 0.5


@pytest.mark.parametrize(
    ("augmentation", "axes"),
    [(AugmentationConfig(mirror_swap=True), (2, 4)), (AugmentationConfig(swap_sides=True), (2,))],
)
def test_sides_of_half_of_the_groups_are_swapped_and_other_groups_unchanged(
    augmentation: AugmentationConfig, axes: tuple[int, ...]
) -> None:
    photos = shoes(40)
    changed, swapped = augment_photos(photos, augmentation, rng()), photos.flip(axes)
    is_same = [(torch.equal(a, b), torch.equal(a, c)) for a, b, c in zip(changed, photos, swapped, strict=True)]
    assert set(is_same) == {(True, False), (False, True)}
    assert 10 < sum(same for same, _ in is_same) < 30, "about half"


def test_mirror_swap_and_swap_sides_together_give_four_views() -> None:
    photos = shoes(80)
    changed = augment_photos(photos, AugmentationConfig(mirror_swap=True, swap_sides=True), rng())
    views = [photos, photos.flip(2), photos.flip(4), photos.flip((2, 4))]
    view_of = [[torch.equal(group, view[row]) for view in views].index(True) for row, group in enumerate(changed)]
    assert all(10 < view_of.count(view) < 30 for view in range(4)), "about a quarter each"


def test_light_changes_for_all_shoes_of_a_group_alike() -> None:
    photos = torch.full((6, 3, 2, 8, 8, 3), 0.1)
    changed = augment_photos(photos, AugmentationConfig(color_jitter=1.0), rng())
    assert all(len(torch.unique(group.flatten(0, 3), dim=0)) == 1 for group in changed), "one colour became several"
    assert len(torch.unique(changed[:, 0, 0, 0, 0], dim=0)) == 6, "all groups in the same light"


def test_light_is_computed_as_documented() -> None:
    photos = shoes()
    changed = augment_photos(photos, AugmentationConfig(color_jitter=0.1), rng())
    for before, after in zip(photos, changed, strict=True):
        for channel in range(3):
            x, y = before[..., channel].flatten(), after[..., channel].flatten()
            inside = (y > -0.5) & (y < 0.5)
            slope, offset = torch.linalg.lstsq(
                torch.stack([x[inside] + 0.5, torch.ones(int(inside.sum()))], dim=1), y[inside, None] + 0.5
            ).solution.flatten()
            assert abs(slope.log()) <= 0.1 * (0.15 + 0.25) + 1e-4
            assert abs(offset) <= 0.01 + 1e-4


def test_every_photo_is_moved_differently_and_not_far() -> None:
    photos = torch.zeros((4, 3, 2, 64, 64, 3))
    photos[..., 28:36, 28:36, :] = 0.5  # a block in the middle
    moved = augment_photos(photos, AugmentationConfig(affine=1.0), rng()).flatten(0, 2)[..., 0]
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    weights = moved / moved.sum(dim=(1, 2), keepdim=True)
    centres = {(round(float((w * rows).sum()), 2), round(float((w * columns).sum()), 2)) for w in weights}
    assert len(centres) == 24, "photos moved together"
    assert all(abs(row - 31.5) < 5 and abs(column - 31.5) < 5 for row, column in centres)


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_invalid_strength_is_refused(strength: float) -> None:
    with pytest.raises(ShoepairError, match=r"color_jitter: .*, expected (greater|less) than or equal to [04]\n"):
        AugmentationConfig(color_jitter=strength)
