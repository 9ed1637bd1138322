"""The histogram baseline, the siamese network, and what holds for all models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import towers
from torch import Tensor

from shoepair.data import pair_dataset
from shoepair.models import base, cnn, devices, histogram_baseline, inference, registry, siamese
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import config, loop
from shoepair.training.notebook import train_model

EDGE = 32
FROM_SCRATCH = [name for name in registry.MODEL_CLASSES if not registry.is_pretrained(name)]
SHAPE = registry.ModelConfig(n=2, kernel_size=3, batch_norm=True, dropout=0.3, edge=EDGE)


def images(count: int = 4, edge: int = EDGE, seed: int = 1) -> Tensor:
    return torch.rand((count, 3, 2 * edge, edge), generator=torch.Generator().manual_seed(seed)) - 0.5


def mirror_and_swap(x: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=2)
    return torch.cat([right.flip(3), left.flip(3)], dim=2)


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)


@pytest.mark.parametrize("name", ["siamese", "histogram"])
def test_mirrored_or_swapped_pair_has_the_same_logits(name: str) -> None:
    model = registry.build_model(name, SHAPE.model_copy(update={"tta": True}), 1).eval()
    assert not model.config.tta, "it needs no more than one view"
    with torch.inference_mode():
        for view in base.make_tta_views(images()):
            torch.testing.assert_close(model(images()), model(view), rtol=1e-5, atol=1e-6)


def test_course_models_are_flip_sensitive() -> None:
    model = registry.build_model("cnn_channel", SHAPE, 1).eval()
    assert not torch.allclose(model(images()), model(mirror_and_swap(images())))


@pytest.mark.parametrize("name", list(cnn.COURSE_MODELS))
def test_four_views_have_the_same_logits_their_mean(name: str) -> None:
    plain, mean = (
        registry.build_model(name, SHAPE, 1).eval(),
        registry.build_model(name, SHAPE.model_copy(update={"tta": True}), 1).eval(),
    )
    with torch.inference_mode():
        expected = sum(plain(view) for view in base.make_tta_views(images())) / 4
        for view in base.make_tta_views(images()):
            torch.testing.assert_close(mean(view), expected, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(plain(images()), expected)


def test_views_are_the_pair_the_mirrored_one_and_both_with_swapped_sides() -> None:
    x = images()
    left, right = x.chunk(2, dim=2)
    swapped = torch.cat([right, left], dim=2)
    for view, expected in zip(base.make_tta_views(x), [x, x.flip(3), swapped, mirror_and_swap(x)], strict=True):
        assert torch.equal(view, expected)


@pytest.mark.parametrize("name", list(cnn.COURSE_MODELS))
def test_one_view_is_trained_on_and_measured_for_the_curves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(images: Tensor) -> list[Tensor]:
        raise InterruptedError(len(images))

    monkeypatch.setattr(base, "make_tta_views", interrupt)
    data = pair_dataset.make_standard_pair_dataset(
        np.random.default_rng(1).integers(0, 256, (4, 3, 2, EDGE, EDGE, 3), np.uint8)
    )
    for decay in (0.0, 0.9):
        model = registry.build_model(name, SHAPE.model_copy(update={"tta": True}), 1)
        loop.fit(model, data, data, config.TrainConfig(epochs=2, batch_size=8, ema_decay=decay))
        with pytest.raises(InterruptedError):  # other metrics use all views
            inference.positive_and_negative_accuracy(model, data)


def test_zero_local_embedding_has_a_bounded_gradient() -> None:
    model = registry.build_model("siamese", SHAPE, 1)
    assert isinstance(model, siamese.Siamese)
    maps = torch.rand((2, 8, 4, 4), generator=torch.Generator().manual_seed(1))
    maps[0, :, 0, 0] = 0
    model._local_mismatch(maps, 1, 1).sum().backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
    assert model.local_embedding.bias is not None
    assert model.local_embedding.bias.grad is not None
    assert 0 < model.local_embedding.bias.grad.abs().max() < 1e4


@pytest.mark.parametrize("name", list(registry.MODEL_CLASSES))
def test_all_pairs_get_the_logits_of_single_pairs(name: str) -> None:
    model = registry.build_model(name, SHAPE, 1).eval()
    shoes = torch.rand((2, 3, 2, EDGE, EDGE, 3), generator=torch.Generator().manual_seed(2)) - 0.5
    with torch.inference_mode():
        logits = model.forward_all_pairs(shoes)
        for student, left, right in np.ndindex(2, 3, 3):
            pair = torch.cat([shoes[student, left, 0], shoes[student, right, 1]]).movedim(2, 0)
            torch.testing.assert_close(logits[student, left, right], model(pair[None])[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_larger_photos_are_averaged_down(name: str) -> None:
    model = registry.build_model(name, SHAPE, 1).eval()
    large = images(edge=2 * EDGE)
    small = torch.nn.functional.avg_pool2d(large, 2)
    with torch.inference_mode():
        assert torch.equal(model(large), model(small))
        with pytest.raises(ShoepairError, match="images of 48 pixels, expected 32 or a multiple of it"):
            model(images(edge=48))


@pytest.mark.parametrize("name", list(registry.MODEL_CLASSES))
def test_model_is_restored_from_its_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = registry.build_model(name, SHAPE, 3).eval()
    if isinstance(model, base.ThresholdModel):
        model.fit_threshold(torch.tensor([0.1, 0.9], dtype=torch.float64), torch.tensor([1, 0]), torch.ones(2))
    registry.save_model(name, model, {})
    with torch.inference_mode():
        assert torch.equal(registry.load_model(name).eval()(images()), model(images()))


def write_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Write a model and return its card."""
    monkeypatch.chdir(tmp_path)
    registry.save_model("cnn", registry.build_model("cnn", SHAPE, 3), {})
    card: dict[str, Any] = json.loads(paths.model_card_path("cnn").read_text())
    return card


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"features.0.weight": None}, "nothing, expected \\(2, 3, 3, 3\\) float32"),
        ({"more": torch.ones(2)}, r"more: \(2,\) float32, expected nothing"),
        ({"features.0.weight": torch.ones(2, 3, 3, 3, dtype=torch.float64)}, "float64, expected"),
        ({"features.0.weight": torch.ones(3, 3, 3, 3)}, r"\(3, 3, 3, 3\) float32, expected"),
        ({"features.0.weight": torch.full((2, 3, 3, 3), float("nan"))}, "not finite numbers\n  features.0.weight\n"),
        ({"features.2.running_var": torch.full((2,), float("inf"))}, "not finite numbers\n  features.2.running_var\n"),
    ],
)
def test_weights_that_are_not_those_of_the_card_or_not_finite_are_refused(
    change: dict[str, Tensor | None], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path, monkeypatch)
    weights = registry.copy_weights(registry.load_model("cnn")) | change
    registry.save_weights(
        paths.weights_path("cnn"), {name: value for name, value in weights.items() if value is not None}
    )
    with pytest.raises(
        ShoepairError, match=rf"^models/cnn\.safetensors: .*(?s:.*){problem}(?s:.*)dvc repro train@cnn"
    ):
        registry.load_model("cnn")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"layers": {"n": 10**9}}, "layers that no memory can hold"),
        ({"layers": {"n": 10**18}}, "layers that no memory can hold"),
        ({"layers": {"n": 10**5}}, "more than .* bytes, expected|not the weights of this model"),
        ({"layers": {"n": True}}, "not the layers of a model\n  n: True"),
        ({"layers": {"speed": 1}}, "speed: not a key of this file"),
        ({"layers": []}, "invalid model card\n  layers: "),
        ({"model": ["cnn"]}, "invalid model card\n  model: "),
        ({"model": "siamese"}, "model siamese of format 2, expected cnn of format 2"),
        ({"format": 3}, "model cnn of format 3"),
    ],
)
def test_card_that_asks_for_other_layers_is_refused(
    change: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = write_model(tmp_path, monkeypatch)
    layers = change.get("layers")
    changed = card | change | ({"layers": card["layers"] | layers} if isinstance(layers, dict) else {})
    paths.model_card_path("cnn").write_text(json.dumps(changed))
    with pytest.raises(ShoepairError, match=rf"^models/cnn\.(json|safetensors): (?s:.*){problem}"):
        registry.load_model("cnn")


def test_logits_that_are_not_finite_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path, monkeypatch)
    weights = registry.copy_weights(registry.load_model("cnn"))
    large = {
        name: torch.full_like(value, 1e38) if value.is_floating_point() else value for name, value in weights.items()
    }
    registry.save_weights(paths.weights_path("cnn"), large)
    model = registry.load_model("cnn")
    data = pair_dataset.make_standard_pair_dataset(np.full((2, 3, 2, EDGE, EDGE, 3), 200, np.uint8))
    with pytest.raises(
        ShoepairError, match=r"^models/cnn\.safetensors: gives logits that are not finite .*\n.*train@cnn"
    ):
        inference.score_model("cnn", model, data)


def test_sqrt_histograms_are_those_counted_one_by_one() -> None:
    photo = images(2)[:, :, :EDGE]
    roots, bins = histogram_baseline.compute_sqrt_histograms(photo), histogram_baseline.BINS_PER_CHANNEL
    values = ((photo.numpy() + 0.5) * bins).astype(int).clip(0, bins - 1)
    for index in np.ndindex(2, 3):
        counts = np.bincount(values[index].ravel(), minlength=bins)
        np.testing.assert_allclose(roots[index].numpy() ** 2, counts / EDGE**2, atol=1e-15)


def test_distance_is_zero_for_the_same_colours_and_one_for_none_in_common() -> None:
    model = registry.build_model("histogram", SHAPE, 1)
    assert isinstance(model, base.ThresholdModel)
    black, white = torch.full((1, 3, EDGE, EDGE), -0.5), torch.full((1, 3, EDGE, EDGE), 0.5)
    assert float(model.compute_distances(torch.cat([black, black], dim=2))) == 0
    assert float(model.compute_distances(torch.cat([black, white], dim=2))) == 1


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7]), st.booleans()), min_size=2, max_size=30))
@settings(deadline=None)
def test_no_threshold_is_more_accurate_than_the_fitted_one(labelled_distances: list[tuple[float, bool]]) -> None:
    distances = torch.tensor([distance for distance, _ in labelled_distances], dtype=torch.float64)
    same = torch.tensor([int(label) for _, label in labelled_distances])
    weights = torch.where(same == 1, 2.0, 1.0)
    model = registry.build_model("histogram", SHAPE, 1)
    assert isinstance(model, base.ThresholdModel)
    model.fit_threshold(distances, same, weights)

    def correct_weight(threshold: float) -> float:
        return float(weights[(distances < threshold) == (same == 1)].sum())

    best = max(correct_weight(threshold) for threshold in (-1.0, 0.05, 0.15, 0.25, 0.5, 1.0))
    assert correct_weight(float(model.threshold)) == best


def test_histogram_is_trained_by_the_loop_like_any_other() -> None:
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 200, (9, 3, 1, 1, 1, 3))
    photos = (colours + rng.integers(0, 30, (9, 3, 2, EDGE, EDGE, 3))).astype(np.uint8)
    model = registry.build_model("histogram", SHAPE, 1)
    history = train_model(model, photos[:6], photos[6:])
    assert len(history.epochs) == len(history.losses) == 1
    assert history.best_epoch.train_positive > 0.9
    assert history.best_epoch.train_negative > 0.9


def test_students_are_scored_like_single_pairs() -> None:
    photos = np.random.default_rng(3).integers(0, 256, (5, 3, 2, EDGE, EDGE, 3), np.uint8)
    data = pair_dataset.make_standard_pair_dataset(photos)
    model = registry.build_model("siamese", SHAPE, 1).eval()
    with torch.inference_mode():
        single = torch.cat([model(data.get_mini_batch(torch.tensor([pair]))[0]) for pair in range(len(data))])
    torch.testing.assert_close(inference.predict_logits(model, data), single, rtol=1e-4, atol=1e-5)


def test_local_mismatch_is_averaged_over_both_directions() -> None:
    model = registry.build_model("siamese", SHAPE, 1)
    assert isinstance(model, siamese.Siamese)
    maps = torch.rand((2, 4 * SHAPE.n, 4, 4), generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        same_photo = model._local_mismatch(torch.stack([maps[0], maps[0]]), 1, 1)
        torch.testing.assert_close(same_photo, torch.zeros(1, 7), atol=1e-5, rtol=0)
        moved = maps[0].flip(1).roll(1, 2)  # every position exists, elsewhere
        torch.testing.assert_close(
            model._local_mismatch(torch.stack([maps[0], moved]), 1, 1), same_photo, atol=1e-5, rtol=0
        )
        mismatch = model._local_mismatch(maps, 1, 1)
        torch.testing.assert_close(mismatch, model._local_mismatch(maps.flip(0), 1, 1))
        # One by one: the most similar position in the other photo; means of all, of the worst quarter, the worst.
        left, right = torch.nn.functional.normalize(model.local_embedding(maps).flatten(2), dim=1)
        cosines = left.T @ right
        for rows_of_side in (cosines, cosines.T):
            mismatches = sorted((1 - max(row) for row in rows_of_side.tolist()), reverse=True)
            mismatch[0, 4:] -= torch.tensor([np.mean(mismatches), np.mean(mismatches[:4]), mismatches[0]]).float() / 2
    assert torch.count_nonzero(mismatch[0, :4] > 1e-4) == 4
    torch.testing.assert_close(mismatch[0, 4:], torch.zeros(3), atol=1e-5, rtol=0)


def test_missing_device_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(ShoepairError, match=r"train.device: cuda, which this machine .* does not have\nset `train"):
        devices.select_device("cuda")
    assert devices.select_device("cpu").type == "cpu"
    assert devices.select_device("auto").type in {"cpu", "mps"}
