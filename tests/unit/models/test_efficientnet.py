"""The layers of EfficientNet-Lite, against its published weights and against maps of half the depth."""

from __future__ import annotations

import pytest
import torch
from support import towers

from shoepair.models import pretrained_weights
from shoepair.models.backbone import PHOTOS
from shoepair.models.config import PretrainedConfig
from shoepair.models.efficientnet import EfficientNetLite

REAL = PretrainedConfig()


def tiny() -> EfficientNetLite:
    network = EfficientNetLite(towers.SIZES)
    weights = {name: value for name, value in towers.make_tiny_weights().items() if not name.startswith("_fc.")}
    network.load_state_dict(weights)
    return network.eval()


def photos(edge: int) -> torch.Tensor:
    return torch.rand(2, 3, edge, edge, generator=torch.Generator().manual_seed(1)) - 0.5


@pytest.mark.parametrize("edge", [32, 50, 64])
def test_maps_have_the_sizes_that_are_stated(edge: int) -> None:
    network = tiny()
    with torch.no_grad():
        maps = network.maps_from(photos(edge))
    assert list(maps) == list(network.depths)
    for depth, values in maps.items():
        assert values.shape == (2, network.count_channels(depth), *2 * [network.map_edge(depth, edge)])
        assert values.std() > 0.01, "maps that say something"


@pytest.mark.parametrize("start", ["stage5", "stage6", "stage7"])
def test_maps_of_one_depth_give_those_after_it(start: str) -> None:
    network = tiny()
    with torch.no_grad():
        maps = network.maps_from(photos(32))
        later = network.maps_from(maps[start], start)
    assert list(later) == list(network.depths)[network.depths.index(start) + 1 :]
    for depth, values in later.items():
        assert torch.equal(values, maps[depth])


def test_bytes_are_standardised_as_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = tiny(), list[torch.Tensor]()

    def record(x: torch.Tensor, _depth: str) -> torch.Tensor:
        seen.append(x)
        return x

    monkeypatch.setattr(network, "compute_next", record)
    network.maps_from(torch.tensor([0.0, 127.0, 255.0]) / 255 - 0.5, PHOTOS)
    torch.testing.assert_close(seen[0], (torch.tensor([0.0, 127.0, 255.0]) - 127) / 128, atol=1e-6, rtol=0)


def test_sizes_are_read_from_weights() -> None:
    assert EfficientNetLite.read_sizes(towers.make_tiny_weights()) == towers.SIZES


def test_published_weights_are_those_of_lite0_and_tell_photos_apart() -> None:
    weights = pretrained_weights.read_weights(REAL)
    sizes = EfficientNetLite.read_sizes(weights)
    assert (sizes.widths, sizes.counts) == ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1))
    network = EfficientNetLite(sizes).eval()
    pretrained_weights.load_into(network, weights, REAL.weights)
    flat = torch.full((1, 3, 64, 64), 0.1)
    stripes = flat.clone()
    stripes[..., ::8] = -0.4
    with torch.no_grad():
        heads = network.maps_from(torch.cat([flat, stripes]))["head"].mean(dim=(2, 3))
    assert torch.cosine_similarity(heads[0], heads[1], dim=0) < 0.9
    assert 0 < heads.mean() < 6


def test_merged_norms_give_the_same_maps() -> None:
    network = EfficientNetLite(towers.SIZES)
    weights = {name: value for name, value in towers.make_tiny_weights().items() if not name.startswith("_fc.")}
    pretrained_weights.load_into(network, weights, "tiny")
    network.eval()
    for name, statistic in network.named_buffers():
        if name.endswith("running_mean"):
            statistic += 0.1
    photos = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.no_grad():
        before = network.maps_from(photos)
        network.merge_norms()
        after = network.maps_from(photos)
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for depth, maps in before.items():
        torch.testing.assert_close(after[depth], maps, atol=1e-4, rtol=1e-3)
