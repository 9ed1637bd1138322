"""Inference: rows in order, work split among ranks, the table of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from support import towers
from torch import Tensor, nn

from shoepair.data import pair_dataset, pairs, schemas
from shoepair.models import distributed, inference, registry
from shoepair.models.base import Model
from shoepair.models.cnn import CNN
from shoepair.models.config import ModelConfig, PretrainedConfig
from shoepair.models.histogram_baseline import HistogramBaseline
from shoepair.models.pretrained import PretrainedModel

EDGE = 32


def class_of(students: int) -> pair_dataset.InMemoryPairs:
    photos = np.random.default_rng(3).integers(0, 256, (students, 3, 2, EDGE, EDGE, 3), np.uint8)
    return pair_dataset.make_standard_pair_dataset(photos)


class Means(nn.Module):
    """Logits are the means of the upper and the lower half: a model that is not in the registry."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([half.mean((1, 2, 3)) for half in x.chunk(2, dim=2)], dim=1)


def test_any_module_gets_pair_images_the_left_shoe_above_the_right_one() -> None:
    data = class_of(2)
    (shoes,) = data.iter_pair_photos([torch.tensor([4, 1])])
    logits = inference.compute_class_logits_of_pairs(Means(), shoes)
    torch.testing.assert_close(logits, torch.stack([shoes[:, 0, side].mean((1, 2, 3)) for side in (0, 1)], dim=1))


@pytest.mark.parametrize("size", [1, 4, 64])
def test_every_pair_has_its_logits_whatever_the_batch_size(size: int) -> None:
    data, model = class_of(3), Means().train()
    logits = inference.predict_logits(model, data, size)
    assert logits.shape == (18, 2)
    assert logits.dtype == torch.float32
    means = pair_dataset.scale_to_centred_float(data.images).mean((3, 4, 5))
    expected = [
        [means[student, left, 0], means[student, right, 1]] for student, left, right in data.pair_index.tolist()
    ]
    torch.testing.assert_close(logits, torch.tensor(expected), atol=1e-6, rtol=0)
    assert not model.training
    assert not logits.requires_grad


@pytest.mark.parametrize("name", ["siamese", "cnn", "histogram", "efficientnet_frozen", "efficientnet_finetuned"])
@pytest.mark.parametrize("block", [2, 3, 16])
def test_logit_matrix_holds_the_logits_of_the_wanted_pairs(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "BLOCK_EDGE", block)
    monkeypatch.setattr(inference, "SCORING_BATCH_SIZE", block)
    towers.use_tiny_network(monkeypatch)
    model = registry.build_model(name, ModelConfig(edge=EDGE // 2, tta=True), seed=1)
    if isinstance(model, PretrainedModel):
        torch.nn.init.normal_(model.comparison.weight, generator=torch.Generator().manual_seed(2))
    photos = class_of(1).images.flatten(0, 2)[:5]
    wanted = torch.rand((5, 5), generator=torch.Generator().manual_seed(2)) < 0.5
    logits = inference.predict_logit_matrix(model, photos, wanted)
    assert torch.equal(logits.isnan(), ~wanted)
    for left, right in wanted.nonzero().tolist():
        image = torch.cat([photos[left], photos[right]]).movedim(-1, 0)[None]  # (1, 3, 2S, S)
        with torch.no_grad():
            two = model(pair_dataset.scale_to_centred_float(image))[0].double()
        assert float(logits[left, right]) == pytest.approx(float(two[1] - two[0]), abs=1e-4)
        if inference.is_symmetric(model) and wanted[right, left]:
            assert float(logits[left, right]) == pytest.approx(float(logits[right, left]), abs=1e-4)


def test_models_on_a_pretrained_network_embed_each_photo_once(monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)
    monkeypatch.setattr(inference, "BLOCK_EDGE", 3)
    model = registry.build_pretrained_model("efficientnet_finetuned", PretrainedConfig())
    embedded, embed = list[int](), model.embed_start

    def spy(photos: Tensor) -> dict[str, Tensor]:
        embedded.append(len(photos))
        return embed(photos)

    monkeypatch.setattr(model, "embed_start", spy)
    photos = class_of(2).images.flatten(0, 2)  # 12
    wanted = ~torch.eye(12, dtype=torch.bool)
    logits = inference.predict_logit_matrix(model, photos, wanted)
    assert embedded == [4, 4, 4]
    described = inference._describe_photos(model, photos)
    embedded.clear()
    again = inference.predict_logit_matrix(model, photos, wanted, described)
    assert embedded == [], "what is known of the photos is not computed again"
    assert torch.equal(again[wanted], logits[wanted])


def test_photos_of_an_edge_that_is_no_multiple_are_scaled_for_a_pretrained_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    towers.use_tiny_network(monkeypatch)
    model = registry.build_model("efficientnet_frozen", ModelConfig(), seed=1)
    photos = torch.zeros((2, towers.EDGE + 16, towers.EDGE + 16, 3), dtype=torch.uint8)
    assert inference.predict_logit_matrix(model, photos, ~torch.eye(2, dtype=torch.bool)).isfinite().sum() == 2


def test_model_of_one_view_that_sees_the_order_is_not_symmetric() -> None:
    flags = {
        (name, tta): inference.is_symmetric(registry.build_model(name, ModelConfig(edge=EDGE, tta=tta), seed=1))
        for name in ("cnn", "siamese")
        for tta in (True, False)
    }
    assert flags == {("cnn", True): True, ("cnn", False): False, ("siamese", True): True, ("siamese", False): True}


class Constant(nn.Module):
    """Predicts the same for every pair."""

    def __init__(self, same: float) -> None:
        super().__init__()
        self.same = same

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([[0.0, self.same]]).repeat(len(x), 1)


@pytest.mark.parametrize(("same_logit", "expected"), [(1.0, (1.0, 0.0)), (-1.0, (0.0, 1.0)), (0.0, (0.0, 1.0))])
def test_accuracies_of_a_constant_model(same_logit: float, expected: tuple[float, float]) -> None:
    assert inference.positive_and_negative_accuracy(Constant(same_logit), class_of(1)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_ranks_compute_each_mini_batch_once_and_their_sum_has_all_rows(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = list(torch.split(torch.randperm(10, generator=torch.Generator().manual_seed(1)), 3))
    computed: list[list[int]] = []

    def load_shoes(indices: Iterable[Tensor]) -> Iterator[Tensor]:
        for numbers in indices:
            computed.append(numbers.tolist())
            yield numbers

    def compute(numbers: Tensor) -> Tensor:
        return torch.stack([numbers, numbers * numbers], dim=1).double()

    template = torch.zeros(2, dtype=torch.float64)
    monkeypatch.setattr(distributed, "all_reduce_sum_in_place", lambda tensor: tensor)  # each rank's own part
    monkeypatch.setattr(distributed, "get_world_size", lambda: size)
    total = torch.zeros(10, 2, dtype=torch.float64)
    for rank in range(size):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        total += inference.map_mini_batches_over_ranks(plan, load_shoes, compute, template)
    assert sorted(computed) == sorted(indices.tolist() for indices in plan)
    assert torch.equal(total, compute(torch.cat(plan))), "rows in the order of the mini-batches"


def test_no_mini_batches_give_no_rows() -> None:
    rows = inference.map_mini_batches_over_ranks([], lambda plan: plan, lambda shoes: shoes, torch.zeros(3, 3, 2))
    assert rows.shape == (0, 3, 3, 2)


def test_scores_are_a_row_for_each_model_and_pair_same_minus_different() -> None:
    split = pd.DataFrame({"batch": "a", "student": ["u1", "u2"], "row": [0, 1], "split": "valid"})
    all_pairs = pairs.build_pair_rows(split)
    rows = all_pairs[all_pairs["standard"]].reset_index(drop=True)
    data = class_of(2)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        models: dict[str, Model] = {"histogram": HistogramBaseline(edge=EDGE), "cnn": CNN(n=2, edge=EDGE // 2).eval()}
    scores = schemas.Scores.validate(inference.pair_score_rows(models, rows, data))
    assert list(scores["model"]) == ["histogram"] * 12 + ["cnn"] * 12
    for name, model in models.items():
        small = data.downsample(model.config.edge)
        with torch.inference_mode():
            different, same = model(small.get_mini_batch(torch.arange(12))[0]).unbind(1)
        model_scores = scores[scores["model"] == name]
        np.testing.assert_allclose(model_scores["logit"], (same - different).numpy(), atol=1e-5)
        assert model_scores[list(rows.columns)].equals(schemas.Pairs.validate(rows))
