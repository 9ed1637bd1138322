"""Models that compare the maps of a pretrained network, with a tiny one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support import towers
from torch.nn import functional

from shoepair.data.features_file import COLORS
from shoepair.models import backbone, pretrained, registry
from shoepair.models.base import make_tta_views
from shoepair.models.config import PretrainedConfig
from shoepair.models.pretrained import PretrainedModel

NAMES = ["efficientnet_frozen", "efficientnet_finetuned"]


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)


def build(name: str) -> PretrainedModel:
    model = registry.build_pretrained_model(name, PretrainedConfig())
    generator = torch.Generator().manual_seed(2)
    torch.nn.init.normal_(model.comparison.weight, generator=generator)
    for depth in model.backbone.compared:
        getattr(model, f"center_{depth}").normal_(generator=generator)
    return model.eval()


def shoes(groups: int = 2, edge: int = towers.EDGE) -> torch.Tensor:
    return torch.rand((groups, 3, 2, edge, edge, 3), generator=torch.Generator().manual_seed(3)) - 0.5


def embed(model: PretrainedModel, photos: torch.Tensor) -> torch.Tensor:
    """Return the numbers of photos as stage `features` stores them."""
    flat = model.embed(photos.flatten(0, 2).movedim(3, 1)).to(torch.float16)
    return flat.reshape(*photos.shape[:3], *flat.shape[1:])


@pytest.mark.parametrize("name", NAMES)
def test_photos_and_their_stored_features_have_the_same_logits(name: str) -> None:
    model = build(name)
    with torch.no_grad():
        stored, photos = model.forward_all_pairs(embed(model, shoes())), model.forward_all_pairs(shoes())
    torch.testing.assert_close(stored, photos, atol=0.02, rtol=0)


def test_both_models_compare_alike_before_training() -> None:
    frozen, tuned = map(build, NAMES)
    with torch.no_grad():
        one, other = (model.numbers_of_all_pairs(embed(model, shoes())) for model in (frozen, tuned))
    torch.testing.assert_close(one, other, atol=0.02, rtol=0)  # one rounds the maps of an earlier depth


@pytest.mark.parametrize("name", NAMES)
def test_mirrored_or_swapped_pair_has_the_same_logits(name: str) -> None:
    model, pair = build(name), shoes(1)[:, 0].flatten(1, 2).movedim(3, 1)  # (1, 3, 2S, S)
    with torch.no_grad():
        for view in make_tta_views(pair):
            torch.testing.assert_close(model(view), model(pair), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("edge", [2 * towers.EDGE, 48])
def test_photos_of_another_edge_are_scaled(edge: int) -> None:
    model = build(NAMES[0])
    photos = shoes(1, edge)
    small = backbone.scale_photos(photos.flatten(0, 2).movedim(3, 1), towers.EDGE)
    with torch.no_grad():
        expected = model.forward_all_pairs(small.movedim(1, 3).reshape(1, 3, 2, towers.EDGE, towers.EDGE, 3))
        torch.testing.assert_close(model.forward_all_pairs(photos), expected, rtol=1e-4, atol=1e-4)


def test_only_the_tuned_layers_and_the_comparison_have_gradients() -> None:
    frozen, tuned = map(build, NAMES)
    assert [name for name, _ in frozen.named_parameters()] == ["comparison.weight", "comparison.bias"]
    trained = {name.removeprefix("backbone.") for name, _ in tuned.named_parameters()}
    assert "_conv_head.weight" in trained
    blocks = {int(name.split(".")[1]) for name in trained if name.startswith("_blocks.")}
    assert min(blocks) == tuned.backbone.ends[4]  # type: ignore[index]  # a list of numbers
    assert set(tuned.state_dict()) == set(frozen.state_dict()), "one format of weights"
    assert tuned.count_parameters() == frozen.count_parameters() > 1000


def test_training_leaves_the_statistics_of_normalisation_as_they_are() -> None:
    model = build(NAMES[1]).train()
    before = model.backbone._bn1.running_mean.clone()  # type: ignore[operator,union-attr]
    model.forward_all_pairs(embed(model, shoes())).sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(before, model.backbone._bn1.running_mean)  # type: ignore[arg-type,union-attr]
    assert not model.backbone.training
    assert all(weight.grad is not None for weight in model.parameters())


def test_numbers_are_those_counted_one_by_one() -> None:
    model = build(NAMES[0])
    with torch.no_grad():
        features = embed(model, shoes(1))
        numbers = model.numbers_of_all_pairs(features)[
            0, 1, 2, 0
        ]  # left shoe of pair 2, right one of pair 3, as it is
        left, right = (
            pretrained.embed_photos(model.backbone, shoes(1)[0, pair, side].movedim(2, 0)[None], towers.EDGE)
            for pair, side in ((1, 0), (2, 1))
        )
        heads = [model.backbone.maps_from(side["stage7"].float(), "stage7")["head"] for side in (left, right)]
    one, other = (head.mean(dim=(2, 3))[0] for head in heads)
    position = pretrained.SIMILARITIES * 2  # of the head
    expected = torch.log(1 - functional.cosine_similarity(one, other, dim=0) + pretrained.MISMATCH_EPS)
    torch.testing.assert_close(numbers[position], expected, atol=1e-3, rtol=0)
    coefficient = (left[COLORS].float() * right[COLORS].float()).sum(dim=2).mean()
    distance = float((1 - coefficient).clamp_min(0)) ** 0.5
    assert float(numbers[-1]) == pytest.approx(np.log(distance + pretrained.DISTANCE_EPS), abs=1e-2)


def test_model_is_restored_with_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = build(NAMES[0])
    registry.save_model(NAMES[0], model, {})
    restored = registry.load_model(NAMES[0]).eval()
    with torch.no_grad():
        assert torch.equal(restored.forward_all_pairs(shoes()), model.forward_all_pairs(shoes()))
    assert [name for name, _ in restored.named_parameters()] == ["comparison.weight", "comparison.bias"]
