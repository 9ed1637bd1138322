"""The siamese network part by part: who is compared with whom, by which distances, in which views."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shoepair.models import siamese
from shoepair.models.siamese import Siamese

EDGE = 32


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def model(edge: int = EDGE) -> Siamese:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Siamese(n=2, kernel_size=3, batch_norm=True, edge=edge).eval()


def test_every_left_one_is_matched_with_every_right_one_of_its_group() -> None:
    values = torch.arange(12).reshape(12, 1)  # two groups of three left and three right ones, by turns
    left, right = siamese._matched(values, 2, 3)
    pairs = [(int(one), int(other)) for one, other in zip(left, right, strict=True)]
    first = [(0, 1), (0, 3), (0, 5), (2, 1), (2, 3), (2, 5), (4, 1), (4, 3), (4, 5)]
    assert pairs == first + [(one + 6, other + 6) for one, other in first]


def test_sums_over_places_are_gazed_means_and_those_of_the_worst() -> None:
    apart = torch.arange(32, dtype=torch.float32)[None]
    gazes = torch.zeros(1, 4, 32)
    gazes[0, 0, 5] = gazes[0, 1, 31] = 1
    gazes[0, 2] = 1 / 32
    gazes[0, 3, :2] = 0.5
    found = siamese._summed(apart, gazes)
    # All places, the eight worst, the two worst.
    torch.testing.assert_close(found, torch.tensor([[5.0, 31.0, 15.5, 0.5, 15.5, 27.5, 30.5]]))
    few = siamese._summed(torch.tensor([[0.1, 0.4]]), torch.full((1, 4, 2), 0.5))
    torch.testing.assert_close(few[0, 4:], torch.tensor([0.25, 0.4, 0.4]), msg="of few places the worst one")


def test_distances_are_those_of_each_channel_and_of_all_together() -> None:
    left = torch.zeros(1, 3, 16, dtype=torch.float64)
    right = left.clone()
    left[0, :, 0] = 1
    right[0, 0, 0] = 1  # red alike, green in nothing, blue in a half
    right[0, 1, 3] = 1
    right[0, 2, :4] = 0.5
    found = siamese._distances(left, right)
    wanted = [0.0, 1.0, 0.5**0.5, (1 - 1.5 / 3) ** 0.5]
    torch.testing.assert_close(found, torch.tensor([wanted], dtype=torch.float64))
    assert siamese._distances(right * 1.001, right * 1.001).min() == 0, "rounding makes no root of less than nothing"


def test_answers_follow_from_the_own_group_alone() -> None:
    shoes, net = random(3, 3, 2, EDGE, EDGE, 3), model()
    with torch.inference_mode():
        whole = net.combinations(shoes)
        assert whole.shape == (3, 3, 3, 2)
        torch.testing.assert_close(net.combinations(shoes[1:2]), whole[1:2], rtol=1e-4, atol=1e-5)
        turned = net.combinations(shoes[:, [2, 0, 1]])
        torch.testing.assert_close(turned, whole[:, [2, 0, 1]][:, :, [2, 0, 1]], rtol=1e-4, atol=1e-5)


def test_photos_are_seen_one_way_round_while_training_and_both_ways_after(monkeypatch: pytest.MonkeyPatch) -> None:
    net, shoes = model(), random(1, 1, 2, EDGE, EDGE, 3)
    seen: list[Tensor] = []
    real = Siamese._compared

    def noted(self: Siamese, photos: Tensor, colours: Tensor, groups: int, each: int) -> Tensor:
        seen.append(photos)
        return real(self, photos, colours, groups, each)

    monkeypatch.setattr(Siamese, "_compared", noted)
    with torch.inference_mode():
        net.combinations(shoes)
    assert len(seen) == 2
    assert torch.equal(seen[1], seen[0].flip(3))
    seen.clear()
    net.train().combinations(random(2, 2, 2, EDGE, EDGE, 3))
    assert len(seen) == 1


def test_weights_fit_photos_of_any_edge() -> None:
    small, large = model(), model(4 * EDGE)
    large.load_state_dict(small.state_dict())
    with torch.inference_mode():
        assert large(random(1, 3, 8 * EDGE, 4 * EDGE)).shape == (1, 2)


def test_large_maps_are_compared_at_a_bounded_number_of_places() -> None:
    net = model()
    fine = random(2, 8, 28, 28)
    coarse = torch.nn.functional.avg_pool2d(fine, 2)
    with torch.inference_mode():
        torch.testing.assert_close(net._unlike(fine, 1, 1), net._unlike(coarse, 1, 1))
        assert not torch.allclose(net._unlike(fine[..., :27, :27], 1, 1), net._unlike(coarse, 1, 1))


def test_places_are_compared_in_single_precision_where_the_rest_is_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siamese, "FINEST", 2)  # so that maps are averaged down too
    net, maps = model(), random(2, 8, 4, 4)
    with torch.inference_mode():
        wanted = net._unlike(maps, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            found = net._unlike(maps, 1, 1)
            of_half = net._unlike(maps.bfloat16(), 1, 1)
        assert torch.equal(of_half, net._unlike(maps.bfloat16().float(), 1, 1))
    assert (found.dtype, of_half.dtype) == (torch.float32, torch.float32)
    assert torch.equal(found, wanted)
