"""The two course CNNs: where the shoes meet, and the number of weights."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from shoepair.models.cnn import CNN, COURSE_MODELS, CNNChannel, PairCNN

EDGE, N = 32, 2


def images(count: int = 3, seed: int = 1) -> Tensor:
    return torch.rand((count, 3, 2 * EDGE, EDGE), generator=torch.Generator().manual_seed(seed)) - 0.5


def build(model_class: type[PairCNN], *, batch_norm: bool = False, dropout: float = 0.0, edge: int = EDGE) -> PairCNN:
    """Return a network with the same weights every time, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return model_class(n=N, kernel_size=3, batch_norm=batch_norm, dropout=dropout, edge=edge).eval()


def test_names_of_the_assignment_stand_for_its_networks() -> None:
    assert list(COURSE_MODELS.items()) == [("cnn", CNN), ("cnn_channel", CNNChannel)]
    for model_class in COURSE_MODELS.values():
        assert model_class.is_flip_sensitive
        assert not model_class.trains_on_students


@pytest.mark.parametrize("model_class", COURSE_MODELS.values())
@pytest.mark.parametrize(("batch_norm", "dropout"), [(False, 0.0), (True, 0.3)])
def test_weights_are_as_many_as_the_layers_have(model_class: type[PairCNN], batch_norm: bool, dropout: float) -> None:
    model = build(model_class, batch_norm=batch_norm, dropout=dropout)
    widths = [model_class.in_channels, N, 2 * N, 4 * N, 8 * N]
    # One bias for each channel, or scale and shift of the normalisation.
    per_channel = 2 if batch_norm else 1
    features = sum(9 * inputs * outputs + per_channel * outputs for inputs, outputs in pairwise(widths))
    flat = 8 * N * model_class.stacked_shoe_count * (EDGE // 16) ** 2
    assert sum(weight.numel() for weight in model.parameters()) == features + 100 * flat + 100 + 2 * 100 + 2
    layers = [type(layer) for layer in model.classifier]
    assert layers == (
        [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear] if dropout else [nn.Linear, nn.ReLU, nn.Linear]
    )


@pytest.mark.parametrize(("model_class", "maps"), [(CNN, (7, 3)), (CNNChannel, (3, 3))])
def test_odd_rows_and_columns_of_maps_are_dropped(model_class: type[PairCNN], maps: tuple[int, int]) -> None:
    model = build(model_class, edge=56)  # halved to 28, 14, 7, 3
    x = functional.interpolate(images(), (112, 56))
    assert model.features(model.make_conv_input(x)).shape == (3, 8 * N, *maps)
    assert model(x).shape == (3, 2)


def test_cnn_sees_the_shoes_one_above_the_other_until_its_linear_layers() -> None:
    model, x = build(CNN), images()
    assert model.make_conv_input(x) is x
    other = x.clone()
    other[:, :, EDGE + EDGE // 2 :] = 0.25  # the lower half of the right shoe
    one, changed = model.features(x), model.features(other)
    assert one.shape == (3, 8 * N, 4, 2)
    assert torch.equal(one[:, :, 0], changed[:, :, 0]), "the upper half of the left shoe depends on the right one"
    assert not torch.equal(one[:, :, 3], changed[:, :, 3])


def test_cnn_channel_compares_the_shoes_at_every_position() -> None:
    model, x = build(CNNChannel), images()
    other = x.clone()
    other[:, :, EDGE : EDGE + 4] = 0.25  # the top of the right shoe
    one, changed = model.features(model.make_conv_input(x)), model.features(model.make_conv_input(other))
    assert one.shape == (3, 8 * N, 2, 2)
    assert not torch.equal(one[:, :, 0], changed[:, :, 0]), "the top of both"
    first = next(iter(model.features))
    assert isinstance(first, nn.Conv2d)
    left, right = first.weight[:, :3], first.weight[:, 3:]
    separate = nn.functional.conv2d(x[:, :, :EDGE], left, first.bias, padding=1)
    separate = separate + nn.functional.conv2d(x[:, :, EDGE:], right, padding=1)
    torch.testing.assert_close(first(model.make_conv_input(x)), separate, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model_class", COURSE_MODELS.values())
def test_logits_of_a_pair_follow_from_that_pair_alone(model_class: type[PairCNN]) -> None:
    model, x = build(model_class, batch_norm=True, dropout=0.5), images(4)
    with torch.inference_mode():
        logits = model(x)
        assert logits.shape == (4, 2)
        torch.testing.assert_close(model(x[[2, 0]]), logits[[2, 0]], rtol=1e-5, atol=1e-6)
        flat = model.features(model.make_conv_input(x)).flatten(1)
        torch.testing.assert_close(logits, model.classifier(flat))
        assert model(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("model_class", COURSE_MODELS.values())
def test_layout_in_memory_changes_nothing_but_rounding(model_class: type[PairCNN]) -> None:
    model, x = build(model_class, batch_norm=True), images()
    with torch.inference_mode():
        logits = model(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(logits, model(x), rtol=1e-4, atol=1e-5)
