"""The two assigned networks: where the shoes meet, and how many weights that takes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from shoepair.models.cnn import ASSIGNED, CNN, CNNChannel, Network

EDGE, N = 32, 2


def images(count: int = 3, seed: int = 1) -> Tensor:
    return torch.rand((count, 3, 2 * EDGE, EDGE), generator=torch.Generator().manual_seed(seed)) - 0.5


def network(kind: type[Network], *, batch_norm: bool = False, dropout: float = 0.0) -> Network:
    """A network of weights that are the same every time, not training."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return kind(n=N, kernel_size=3, batch_norm=batch_norm, dropout=dropout, edge=EDGE).eval()


def test_names_of_the_assignment_stand_for_its_networks() -> None:
    assert list(ASSIGNED.items()) == [("cnn", CNN), ("cnn_channel", CNNChannel)]
    for kind in ASSIGNED.values():
        assert kind.views_differ
        assert not kind.whole_students


@pytest.mark.parametrize("kind", ASSIGNED.values())
@pytest.mark.parametrize(("batch_norm", "dropout"), [(False, 0.0), (True, 0.3)])
def test_weights_are_as_many_as_the_layers_have(kind: type[Network], batch_norm: bool, dropout: float) -> None:
    model = network(kind, batch_norm=batch_norm, dropout=dropout)
    widths = [kind.channels, N, 2 * N, 4 * N, 8 * N]
    # One bias for each channel, or scale and shift of the normalisation.
    rest = 2 if batch_norm else 1
    features = sum(9 * before * after + rest * after for before, after in pairwise(widths))
    flat = 8 * N * kind.stacked * (EDGE // 16) ** 2
    assert sum(each.numel() for each in model.parameters()) == features + 100 * flat + 100 + 2 * 100 + 2
    drops = [type(layer) for layer in model.classifier]
    assert drops == (
        [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear] if dropout else [nn.Linear, nn.ReLU, nn.Linear]
    )


def test_cnn_sees_the_shoes_one_above_the_other_until_its_linear_layers() -> None:
    model, x = network(CNN), images()
    assert model.arrange(x) is x
    other = x.clone()
    other[:, :, EDGE + EDGE // 2 :] = 0.25  # the lower half of the right shoe
    one, changed = model.features(x), model.features(other)
    assert one.shape == (3, 8 * N, 4, 2)
    assert torch.equal(one[:, :, 0], changed[:, :, 0]), "the upper half of the left shoe has seen the right one"
    assert not torch.equal(one[:, :, 3], changed[:, :, 3])


def test_cnn_channel_compares_the_shoes_at_every_place() -> None:
    model, x = network(CNNChannel), images()
    other = x.clone()
    other[:, :, EDGE : EDGE + 4] = 0.25  # the top of the right shoe
    one, changed = model.features(model.arrange(x)), model.features(model.arrange(other))
    assert one.shape == (3, 8 * N, 2, 2)
    assert not torch.equal(one[:, :, 0], changed[:, :, 0]), "the top of both"
    first = next(iter(model.features))
    assert isinstance(first, nn.Conv2d)
    left, right = first.weight[:, :3], first.weight[:, 3:]
    apart = nn.functional.conv2d(x[:, :, :EDGE], left, first.bias, padding=1)
    apart = apart + nn.functional.conv2d(x[:, :, EDGE:], right, padding=1)
    torch.testing.assert_close(first(model.arrange(x)), apart, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ASSIGNED.values())
def test_logits_of_a_pair_follow_from_that_pair_alone(kind: type[Network]) -> None:
    model, x = network(kind, batch_norm=True, dropout=0.5), images(4)
    with torch.inference_mode():
        whole = model(x)
        assert whole.shape == (4, 2)
        torch.testing.assert_close(model(x[[2, 0]]), whole[[2, 0]], rtol=1e-5, atol=1e-6)
        flat = model.features(model.arrange(x)).flatten(1)
        torch.testing.assert_close(whole, model.classifier(flat))
        assert model(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("kind", ASSIGNED.values())
def test_layout_in_memory_changes_nothing_but_rounding(kind: type[Network]) -> None:
    model, x = network(kind, batch_norm=True), images()
    with torch.inference_mode():
        found = model(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(found, model(x), rtol=1e-4, atol=1e-5)
