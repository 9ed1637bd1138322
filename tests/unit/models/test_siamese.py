"""The siamese network part by part: pairing, pooling, distances, views."""

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


def test_every_left_shoe_is_paired_with_every_right_shoe_of_its_group() -> None:
    values = torch.arange(12).reshape(12, 1)  # two groups of three left and three right ones, by turns
    left, right = siamese._all_pairs(values, 2, 3)
    pairs = [(int(one), int(other)) for one, other in zip(left, right, strict=True)]
    first = [(0, 1), (0, 3), (0, 5), (2, 1), (2, 3), (2, 5), (4, 1), (4, 3), (4, 5)]
    assert pairs == first + [(one + 6, other + 6) for one, other in first]


def test_mismatch_is_pooled_by_attention_and_over_the_largest() -> None:
    mismatch = torch.arange(32, dtype=torch.float32)[None]
    attention = torch.zeros(1, 4, 32)
    attention[0, 0, 5] = attention[0, 1, 31] = 1
    attention[0, 2] = 1 / 32
    attention[0, 3, :2] = 0.5
    pooled = siamese._pool_mismatch(mismatch, attention)
    # Attention means, then the means of all positions, of the eight and of the two largest.
    torch.testing.assert_close(pooled, torch.tensor([[5.0, 31.0, 15.5, 0.5, 15.5, 27.5, 30.5]]))
    few = siamese._pool_mismatch(torch.tensor([[0.1, 0.4]]), torch.full((1, 4, 2), 0.5))
    torch.testing.assert_close(few[0, 4:], torch.tensor([0.25, 0.4, 0.4]), msg="of few positions the largest")


def test_cosines_for_the_gradient_have_the_values_and_the_gradient_of_the_others() -> None:
    gradients, values = [], []
    for largest in (siamese._largest_cosines, siamese._largest_cosines_for_gradient):
        left, right = random(5, 8, 9).requires_grad_(), random(5, 8, 9, seed=2).requires_grad_()
        cosines = torch.stack(largest(left, right))
        (cosines * random(*cosines.shape, seed=3)).sum().backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        values.append(cosines)
        gradients.append(torch.stack([left.grad, right.grad]))  # type: ignore[list-item]  # both were computed
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


def test_distances_are_those_of_each_channel_and_of_all_together() -> None:
    left = torch.zeros(1, 3, 16, dtype=torch.float64)
    right = left.clone()
    left[0, :, 0] = 1
    right[0, 0, 0] = 1  # red the same, green disjoint, blue half
    right[0, 1, 3] = 1
    right[0, 2, :4] = 0.5
    distances = siamese._color_distances(left, right)
    expected = [0.0, 1.0, 0.5**0.5, (1 - 1.5 / 3) ** 0.5]
    torch.testing.assert_close(distances, torch.tensor([expected], dtype=torch.float64))
    assert siamese._color_distances(right * 1.001, right * 1.001).min() == 0, (
        "rounding must not give the root of a negative number"
    )


def test_logits_depend_on_their_own_group_alone() -> None:
    shoes, net = random(3, 3, 2, EDGE, EDGE, 3), model()
    with torch.inference_mode():
        logits = net.forward_all_pairs(shoes)
        assert logits.shape == (3, 3, 3, 2)
        torch.testing.assert_close(net.forward_all_pairs(shoes[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)
        permuted = net.forward_all_pairs(shoes[:, [2, 0, 1]])
        torch.testing.assert_close(permuted, logits[:, [2, 0, 1]][:, :, [2, 0, 1]], rtol=1e-4, atol=1e-5)


def test_one_view_is_used_while_training_and_two_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    net, shoes = model(), random(1, 1, 2, EDGE, EDGE, 3)
    views: list[Tensor] = []
    real = Siamese._compare_view

    def spy(self: Siamese, photos: Tensor, color_distances: Tensor, groups: int, per_side: int) -> Tensor:
        views.append(photos)
        return real(self, photos, color_distances, groups, per_side)

    monkeypatch.setattr(Siamese, "_compare_view", spy)
    with torch.inference_mode():
        net.forward_all_pairs(shoes)
    assert len(views) == 2
    assert torch.equal(views[1], views[0].flip(3))
    views.clear()
    net.train().forward_all_pairs(random(2, 2, 2, EDGE, EDGE, 3))
    assert len(views) == 1


def test_weights_fit_photos_of_any_edge() -> None:
    small, large = model(), model(4 * EDGE)
    large.load_state_dict(small.state_dict())
    with torch.inference_mode():
        assert large(random(1, 3, 8 * EDGE, 4 * EDGE)).shape == (1, 2)


def test_large_maps_are_compared_at_a_bounded_number_of_positions() -> None:
    net = model()
    fine = random(2, 8, 28, 28)
    coarse = torch.nn.functional.avg_pool2d(fine, 2)
    with torch.inference_mode():
        torch.testing.assert_close(net._local_mismatch(fine, 1, 1), net._local_mismatch(coarse, 1, 1))
        assert not torch.allclose(net._local_mismatch(fine[..., :27, :27], 1, 1), net._local_mismatch(coarse, 1, 1))


def test_local_embeddings_are_compared_in_float32_under_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siamese, "MAX_MAP_EDGE", 2)  # so that maps are averaged down too
    net, maps = model(), random(2, 8, 4, 4)
    with torch.inference_mode():
        expected = net._local_mismatch(maps, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            result = net._local_mismatch(maps, 1, 1)
            of_half = net._local_mismatch(maps.bfloat16(), 1, 1)
        assert torch.equal(of_half, net._local_mismatch(maps.bfloat16().float(), 1, 1))
    assert (result.dtype, of_half.dtype) == (torch.float32, torch.float32)
    assert torch.equal(result, expected)
