"""Receptive fields: the assignment's numbers, the recurrence against gradients, stacked 1D convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shoepair.models.cnn import COURSE_MODELS
from shoepair.reports.analysis import receptive_field
from shoepair.runtime.errors import ShoepairError

FIELDS = {3: [4, 10, 22, 46], 5: [6, 16, 36, 76]}


@pytest.mark.parametrize("name", COURSE_MODELS)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kernel_size", FIELDS)
def test_fields_after_the_poolings(name: str, kernel_size: int, batch_norm: bool) -> None:
    model = COURSE_MODELS[name](n=1, kernel_size=kernel_size, batch_norm=batch_norm, edge=32)
    computed = receptive_field.compute_receptive_fields(model.features)
    assert [field.size for field in computed if field.layer.startswith("pool")] == FIELDS[kernel_size]
    assert [field.step for field in computed if field.layer.startswith("pool")] == [2, 4, 8, 16]


@pytest.mark.parametrize("name", COURSE_MODELS)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("kernel_size", FIELDS)
def test_pixels_with_a_gradient_are_exactly_the_field(name: str, kernel_size: int, batch_norm: bool) -> None:
    model = COURSE_MODELS[name](n=2, kernel_size=kernel_size, batch_norm=batch_norm)
    computed = {field.layer: field for field in receptive_field.compute_receptive_fields(model.features)}
    masks = list(receptive_field.iter_gradient_pixel_masks(model))
    assert [name for name, _, _ in masks] == list(computed)
    for layer, unit, pixels in masks:
        start, stop = computed[layer].pixel_range(unit, 224)
        assert stop - start == computed[layer].size, "the centre unit's field lies within the image"
        expected = np.zeros((224, 224), bool)
        expected[start:stop, start:stop] = True
        np.testing.assert_array_equal(pixels, expected, err_msg=layer)


def test_real_gradient_hides_pixels() -> None:
    model = COURSE_MODELS["cnn"](n=2)
    image = torch.rand(1, 3, 224, 224, requires_grad=True)
    model.features(image)[0, :, 7, 7].sum().backward()
    assert image.grad is not None
    mask = (image.grad != 0).any(dim=1)[0]
    assert 0 < int(mask.sum()) < 46**2


def test_field_at_the_border_is_cut() -> None:
    last = receptive_field.compute_receptive_fields(receptive_field.minimal_networks_by_name(3)["cnn"].features)[-1]
    assert last.pixel_range(0, 224) == (0, 31)  # its 46 pixels begin at -15
    assert last.pixel_range(13, 224) == (193, 224)


@pytest.mark.parametrize(("kernel_size", "rows"), [(3, 2), (5, 4)])
def test_rows_of_the_last_maps_that_see_both_shoes(kernel_size: int, rows: int) -> None:
    assert receptive_field.rows_seeing_both_shoes_and_all_rows(kernel_size) == (rows, 28)
    model = COURSE_MODELS["cnn"](n=1, kernel_size=kernel_size).double()
    with torch.no_grad():
        for layer in model.features:
            if isinstance(layer, nn.Conv2d):
                layer.weight.fill_(1 / layer.weight[0].numel())
                assert layer.bias is not None
                layer.bias.zero_()
        upper, lower = torch.zeros(2, 1, 3, 448, 224, dtype=torch.float64)
        upper[:, :, :224] = 1
        lower[:, :, 224:] = 1
        both = (model.features(upper) > 0) & (model.features(lower) > 0)
    assert int(both[0].any(dim=0).any(dim=1).sum()) == rows


@given(st.integers(0, 8), st.integers(1, 9))
@settings(deadline=None, max_examples=25)
def test_stacked_convolutions(convolutions: int, kernel_size: int) -> None:
    layers = nn.Sequential(*(nn.Conv1d(1, 1, kernel_size, bias=False) for _ in range(convolutions))).double()
    for layer in layers:
        assert isinstance(layer, nn.Conv1d)
        nn.init.ones_(layer.weight)
    field = receptive_field.stacked_conv1d_field_size(convolutions, kernel_size)
    assert field == 1 + convolutions * (kernel_size - 1)
    x = torch.ones(1, 1, field + 4, dtype=torch.float64, requires_grad=True)
    layers(x)[0, 0, 2].backward()
    assert x.grad is not None
    assert torch.nonzero(x.grad[0, 0]).flatten().tolist() == list(range(2, 2 + field))


WINDOWS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))


@given(st.lists(WINDOWS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=25)
def test_recurrence_holds_for_any_kernel_stride_padding_and_dilation(layers: list[tuple[int, int, int, int]]) -> None:
    field = receptive_field.ReceptiveField("image")
    x = torch.ones(1, 1, 120, dtype=torch.float64, requires_grad=True)
    maps = x
    for kernel, stride, padding, dilation in layers:
        layer = nn.Conv1d(1, 1, kernel, stride, padding, dilation, bias=False).double()
        field = receptive_field.field_after_layer(field, "conv", layer)
        maps = nn.functional.conv1d(maps, torch.ones_like(layer.weight), None, stride, padding, dilation)
    unit = maps.shape[-1] // 2
    (gradient,) = torch.autograd.grad(maps[0, 0, unit], x)
    reached = torch.nonzero(gradient[0, 0]).flatten().tolist()
    start, stop = field.first + unit * field.step, field.first + unit * field.step + field.size
    if start >= 0 and stop <= 120:  # else it is cut by the padding
        assert (reached[0], reached[-1] + 1) == (start, stop)
    assert field.pixel_range(unit, 120)[0] <= reached[0]


def test_stack_of_impossible_size_is_an_error() -> None:
    with pytest.raises(ShoepairError, match="convolutions: -1, expected 0 or more"):
        receptive_field.stacked_conv1d_field_size(-1, 3)
    with pytest.raises(ShoepairError, match="kernel size: 0, expected 1 or more"):
        receptive_field.stacked_conv1d_field_size(2, 0)


def test_unknown_layers_are_an_error() -> None:
    with pytest.raises(TypeError, match="expected a layer that works unit by unit or on windows"):
        receptive_field.field_after_layer(receptive_field.ReceptiveField("image"), "fc1", nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r"kernel_size \(3, 5\), expected the same number"):
        receptive_field.field_after_layer(receptive_field.ReceptiveField("image"), "conv1", nn.Conv2d(1, 1, (3, 5)))


def test_chapters_name_the_deviations_of_the_published_solution() -> None:
    assert "sees 46 of 224 pixels, 21 % of the edge and 4 % of the area" in receptive_field.chapter_markdown(3)
    assert "2 of the 28 rows" in receptive_field.chapter_markdown(3)
    assert "1 + (N - 1)(K - 1), always one layer too few" in receptive_field.stacked_chapter_markdown(3)
