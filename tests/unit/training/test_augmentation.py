"""Changes of photos while training: what they may change and what they must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shoepair.runtime.errors import ShoepairError
from shoepair.training.augmentation import augment
from shoepair.training.config import Augmentation


def shoes(groups: int = 5, each: int = 3, edge: int = 32) -> Tensor:
    return torch.rand((groups, each, 2, edge, edge, 3), generator=torch.Generator().manual_seed(1)) - 0.5


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_chosen_changes_nothing() -> None:
    photos = shoes()
    assert augment(photos, Augmentation(), rng()) is photos


@pytest.mark.parametrize(
    "how", [Augmentation(mirror=True), Augmentation(exchange=True), Augmentation(colour=1.0), Augmentation(affine=1.0)]
)
def test_changes_follow_from_the_seed_and_leave_the_argument_alone(how: Augmentation) -> None:
    photos = shoes()
    kept = photos.clone()
    one, again, other = augment(photos, how, rng()), augment(photos, how, rng()), augment(photos, how, rng(2))
    assert one.shape == photos.shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(photos, kept)
    assert one.min() >= -0.5
    assert one.max() <= 0.5


@pytest.mark.parametrize(("how", "axes"), [(Augmentation(mirror=True), (2, 4)), (Augmentation(exchange=True), (2,))])
def test_half_of_the_groups_exchange_their_sides_and_no_other_group_changes(
    how: Augmentation, axes: tuple[int, ...]
) -> None:
    photos = shoes(40)
    changed, swapped = augment(photos, how, rng()), photos.flip(axes)
    kinds = [(torch.equal(a, b), torch.equal(a, c)) for a, b, c in zip(changed, photos, swapped, strict=True)]
    assert set(kinds) == {(True, False), (False, True)}
    assert 10 < sum(same for same, _ in kinds) < 30, "about half"


def test_mirror_and_exchange_together_show_a_pair_in_four_ways() -> None:
    photos = shoes(80)
    changed = augment(photos, Augmentation(mirror=True, exchange=True), rng())
    ways = [photos, photos.flip(2), photos.flip(4), photos.flip((2, 4))]
    seen = [[torch.equal(got, way[place]) for way in ways].index(True) for place, got in enumerate(changed)]
    assert all(10 < seen.count(way) < 30 for way in range(4)), "about a quarter each"


def test_light_changes_for_all_shoes_of_a_group_alike() -> None:
    photos = torch.full((6, 3, 2, 8, 8, 3), 0.1)
    changed = augment(photos, Augmentation(colour=1.0), rng())
    assert all(len(torch.unique(group.flatten(0, 3), dim=0)) == 1 for group in changed), "one colour became several"
    assert len(torch.unique(changed[:, 0, 0, 0, 0], dim=0)) == 6, "all groups in the same light"


def test_light_is_computed_as_documented() -> None:
    photos = shoes()
    changed = augment(photos, Augmentation(colour=0.1), rng())
    for before, after in zip(photos, changed, strict=True):
        for channel in range(3):
            x, y = before[..., channel].flatten(), after[..., channel].flatten()
            inside = (y > -0.5) & (y < 0.5)
            slope, offset = torch.linalg.lstsq(
                torch.stack([x[inside] + 0.5, torch.ones(int(inside.sum()))], dim=1), y[inside, None] + 0.5
            ).solution.flatten()
            assert abs(slope.log()) <= 0.1 * (0.15 + 0.25) + 1e-4
            assert abs(offset) <= 0.01 + 1e-4


def test_photos_move_each_by_itself_and_stay_near() -> None:
    photos = torch.zeros((4, 3, 2, 64, 64, 3))
    photos[..., 28:36, 28:36, :] = 0.5  # a block in the middle
    moved = augment(photos, Augmentation(affine=1.0), rng()).flatten(0, 2)[..., 0]
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    weights = moved / moved.sum(dim=(1, 2), keepdim=True)
    centres = {(round(float((w * rows).sum()), 2), round(float((w * columns).sum()), 2)) for w in weights}
    assert len(centres) == 24, "photos moved together"
    assert all(abs(row - 31.5) < 5 and abs(column - 31.5) < 5 for row, column in centres)


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_strength_that_is_none_is_refused(strength: float) -> None:
    with pytest.raises(ShoepairError, match=r"colour: .*, expected (greater|less) than or equal to [04]\n"):
        Augmentation(colour=strength)
