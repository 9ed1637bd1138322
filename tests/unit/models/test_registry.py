"""The histogram, the siamese network, and what all models promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from shoepair.data import pair_dataset
from shoepair.models import base, cnn, devices, histogram, inference, registry, siamese
from shoepair.runtime.errors import ShoepairError
from shoepair.training import config, loop
from shoepair.training.notebook import train_model

EDGE = 32
SHAPE = registry.ModelConfig(n=2, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)


def images(count: int = 4, edge: int = EDGE, seed: int = 1) -> Tensor:
    return torch.rand((count, 3, 2 * edge, edge), generator=torch.Generator().manual_seed(seed)) - 0.5


def mirrored_and_exchanged(x: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=2)
    return torch.cat([right.flip(3), left.flip(3)], dim=2)


@pytest.mark.parametrize("name", ["siamese", "histogram"])
def test_mirrored_or_exchanged_pair_has_the_same_score(name: str) -> None:
    model = registry.build(name, SHAPE.model_copy(update={"tta": True}), 1).eval()
    assert not model.config.tta, "it needs no more than one view"
    with torch.inference_mode():
        for view in base.tta_views(images()):
            torch.testing.assert_close(model(images()), model(view), rtol=1e-5, atol=1e-6)


def test_assigned_networks_do_not_promise_that() -> None:
    model = registry.build("cnn_channel", SHAPE, 1).eval()
    assert not torch.allclose(model(images()), model(mirrored_and_exchanged(images())))


@pytest.mark.parametrize("name", list(cnn.ASSIGNED))
def test_four_views_are_scored_alike_and_their_mean_is_the_score(name: str) -> None:
    plain, mean = (
        registry.build(name, SHAPE, 1).eval(),
        registry.build(name, SHAPE.model_copy(update={"tta": True}), 1).eval(),
    )
    with torch.inference_mode():
        asked = [mean(view) for view in base.tta_views(images())]
        wanted = sum(plain(view) for view in base.tta_views(images())) / 4
        for each in asked:
            torch.testing.assert_close(each, wanted, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(plain(images()), wanted)


def test_views_are_the_pair_the_mirrored_one_and_both_with_their_shoes_exchanged() -> None:
    x = images()
    left, right = x.chunk(2, dim=2)
    exchanged = torch.cat([right, left], dim=2)
    for view, wanted in zip(base.tta_views(x), [x, x.flip(3), exchanged, mirrored_and_exchanged(x)], strict=True):
        assert torch.equal(view, wanted)


@pytest.mark.parametrize("name", list(cnn.ASSIGNED))
def test_one_view_is_learnt_from_and_measured_for_the_curves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(images: Tensor) -> list[Tensor]:
        raise InterruptedError(len(images))

    monkeypatch.setattr(base, "tta_views", asked)
    data = pair_dataset.from_arrays(np.random.default_rng(1).integers(0, 256, (4, 3, 2, EDGE, EDGE, 3), np.uint8))
    for average in (0.0, 0.9):
        model = registry.build(name, SHAPE.model_copy(update={"tta": True}), 1)
        loop.fit(model, data, data, config.TrainConfig(epochs=2, batch_size=8, average=average))
        with pytest.raises(InterruptedError):  # what is no curve is the mean of all views
            inference.accuracies(model, data)


def test_place_without_anything_has_no_endless_gradient() -> None:
    model = registry.build("siamese", SHAPE, 1)
    assert isinstance(model, siamese.Siamese)
    maps = torch.rand((2, 8, 4, 4), generator=torch.Generator().manual_seed(1))
    maps[0, :, 0, 0] = 0
    model._unlike(maps, 1, 1).sum().backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
    assert model.place.bias is not None
    assert model.place.bias.grad is not None
    assert 0 < model.place.bias.grad.abs().max() < 1e4


@pytest.mark.parametrize("name", list(registry.MODELS))
def test_combinations_are_the_scores_of_the_single_pairs(name: str) -> None:
    model = registry.build(name, SHAPE, 1).eval()
    shoes = torch.rand((2, 3, 2, EDGE, EDGE, 3), generator=torch.Generator().manual_seed(2)) - 0.5
    with torch.inference_mode():
        nine = model.combinations(shoes)
        for student, left, right in np.ndindex(2, 3, 3):
            pair = torch.cat([shoes[student, left, 0], shoes[student, right, 1]]).movedim(2, 0)
            torch.testing.assert_close(nine[student, left, right], model(pair[None])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(registry.MODELS))
def test_larger_photos_are_averaged_down(name: str) -> None:
    model = registry.build(name, SHAPE, 1).eval()
    large = images(edge=2 * EDGE)
    small = torch.nn.functional.avg_pool2d(large, 2)
    with torch.inference_mode():
        assert torch.equal(model(large), model(small))
        with pytest.raises(ShoepairError, match="images of 48 pixels, expected 32 or a multiple of it"):
            model(images(edge=48))


@pytest.mark.parametrize("name", list(registry.MODELS))
def test_model_comes_back_from_its_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = registry.build(name, SHAPE, 3).eval()
    if isinstance(model, base.Threshold):
        model.settle(torch.tensor([0.1, 0.9], dtype=torch.float64), torch.tensor([1, 0]), torch.ones(2))
    registry.save(name, model, {})
    with torch.inference_mode():
        assert torch.equal(registry.load(name).eval()(images()), model(images()))


def test_roots_are_those_of_the_shares_counted_one_by_one() -> None:
    photo = images(2)[:, :, :EDGE]
    got = histogram.roots(photo)
    values = ((photo.numpy() + 0.5) * histogram.BINS).astype(int).clip(0, histogram.BINS - 1)
    for place in np.ndindex(2, 3):
        counts = np.bincount(values[place].ravel(), minlength=histogram.BINS)
        np.testing.assert_allclose(got[place].numpy() ** 2, counts / EDGE**2, atol=1e-15)


def test_distance_is_nothing_for_the_same_colours_and_one_for_none_in_common() -> None:
    model = registry.build("histogram", SHAPE, 1)
    assert isinstance(model, base.Threshold)
    black, white = torch.full((1, 3, EDGE, EDGE), -0.5), torch.full((1, 3, EDGE, EDGE), 0.5)
    assert float(model.distance(torch.cat([black, black], dim=2))) == 0
    assert float(model.distance(torch.cat([black, white], dim=2))) == 1


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7]), st.booleans()), min_size=2, max_size=30))
@settings(deadline=None)
def test_no_threshold_is_right_more_often_than_the_one_that_is_set(found: list[tuple[float, bool]]) -> None:
    distances = torch.tensor([distance for distance, _ in found], dtype=torch.float64)
    same = torch.tensor([int(kind) for _, kind in found])
    weights = torch.where(same == 1, 2.0, 1.0)
    model = registry.build("histogram", SHAPE, 1)
    assert isinstance(model, base.Threshold)
    model.settle(distances, same, weights)

    def right(threshold: float) -> float:
        return float(weights[(distances < threshold) == (same == 1)].sum())

    best = max(right(threshold) for threshold in (-1.0, 0.05, 0.15, 0.25, 0.5, 1.0))
    assert right(float(model.threshold)) == best


def test_histogram_is_trained_by_the_loop_like_any_other() -> None:
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 200, (9, 3, 1, 1, 1, 3))
    photos = (colours + rng.integers(0, 30, (9, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)
    model = registry.build("histogram", SHAPE, 1)
    history = train_model(model, photos[:6], photos[6:])
    assert len(history.epochs) == len(history.losses) == 1
    assert history.best.train_positive > 0.9
    assert history.best.train_negative > 0.9


def test_whole_students_are_scored_like_single_pairs() -> None:
    photos = np.random.default_rng(3).integers(0, 256, (5, 3, 2, EDGE, EDGE, 3), np.uint8)
    data = pair_dataset.from_arrays(photos)
    model = registry.build("siamese", SHAPE, 1).eval()
    with torch.inference_mode():
        single = torch.cat([model(data.batch(torch.tensor([pair]))[0]) for pair in range(len(data))])
    torch.testing.assert_close(inference.logits(model, data), single, rtol=1e-4, atol=1e-5)


def test_places_without_a_like_are_counted_from_both_shoes() -> None:
    model = registry.build("siamese", SHAPE, 1)
    assert isinstance(model, siamese.Siamese)
    maps = torch.rand((2, 4 * SHAPE.n, 4, 4), generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        itself = model._unlike(torch.stack([maps[0], maps[0]]), 1, 1)
        torch.testing.assert_close(itself, torch.zeros(1, 7), atol=1e-5, rtol=0)
        moved = maps[0].flip(1).roll(1, 2)  # every place is there, somewhere else
        torch.testing.assert_close(model._unlike(torch.stack([maps[0], moved]), 1, 1), itself, atol=1e-5, rtol=0)
        apart = model._unlike(maps, 1, 1)
        torch.testing.assert_close(apart, model._unlike(maps.flip(0), 1, 1))
        # One by one: a place's nearest in the other photo, of all places, the worst quarter, the worst of sixteen.
        left, right = torch.nn.functional.normalize(model.place(maps).flatten(2), dim=1)
        alike = left.T @ right
        for places in (alike, alike.T):
            far = sorted((1 - max(row) for row in places.tolist()), reverse=True)
            apart[0, 4:] -= torch.tensor([np.mean(far), np.mean(far[:4]), far[0]]).float() / 2
    assert torch.count_nonzero(apart[0, :4] > 1e-4) == 4
    torch.testing.assert_close(apart[0, 4:], torch.zeros(3), atol=1e-5, rtol=0)


def test_device_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(ShoepairError, match=r"train.device: cuda, which this machine .* does not have\nset `train"):
        devices.chosen("cuda")
    assert devices.chosen("cpu").type == "cpu"
    assert devices.chosen("auto").type in {"cpu", "mps"}
