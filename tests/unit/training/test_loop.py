"""The networks, the training loop, the accuracies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from shoepair.data import pair_dataset
from shoepair.models import inference, registry
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import InputsChangedError, StageInputs
from shoepair.training import config, loop, samplers
from shoepair.training.history import EpochMetrics, History
from shoepair.training.notebook import get_accuracy, train_model

EDGE = 32
SHAPE = registry.ModelConfig(edge=EDGE)


def class_of(students: int, seed: int = 0, edge: int = EDGE) -> NDArray[np.uint8]:
    """Return photos of students whose pairs differ clearly: a colour per pair, noise per photo."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 200, (students, 3, 1, 1, 1, 3))
    noise = rng.integers(0, 55, (students, 3, 2, edge, edge, 3))
    return (colours + noise).astype(np.uint8)


def weights(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("name", "count"), [("cnn", 1_260_918), ("cnn_channel", 633_826)])
def test_number_of_parameters(name: str, count: int) -> None:
    assert sum(p.numel() for p in registry.build_model(name, registry.ModelConfig(), 1).parameters()) == count


@pytest.mark.parametrize("name", ["cnn", "cnn_channel", "siamese"])
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_networks_give_two_logits(name: str, kernel_size: int, batch_norm: bool) -> None:
    model = registry.build_model(
        name, registry.ModelConfig(n=2, kernel_size=kernel_size, batch_norm=batch_norm, dropout=0.5, edge=EDGE), 1
    )
    assert model(torch.zeros(3, 3, 2 * EDGE, EDGE)).shape == (3, 2)
    assert isinstance(model.features, nn.Module)
    convolutions = [layer for layer in model.features.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [2, 4, 8, 16]
    assert {layer.padding for layer in convolutions} == {((kernel_size - 1) // 2,) * 2}


def test_channels_are_left_rgb_then_right_rgb() -> None:
    x = torch.arange(2 * 3 * 2 * EDGE * EDGE, dtype=torch.float32).reshape(2, 3, 2 * EDGE, EDGE)
    both = registry.CNNChannel(edge=EDGE).make_conv_input(x)
    assert torch.equal(both[:, :3], x[:, :, :EDGE])
    assert torch.equal(both[:, 3:], x[:, :, EDGE:])
    assert not torch.equal(both, x.reshape(2, 6, EDGE, EDGE)), "the reshape of the published solution"


@pytest.mark.parametrize(
    ("values", "text"),
    [({"n": 0}, "n: 0"), ({"kernel_size": 4}, "kernel_size: 4, expected 3 or 5"), ({"dropout": 1.0}, "dropout: 1.0")],
)
def test_invalid_layers_are_refused(values: dict[str, int], text: str) -> None:
    with pytest.raises(ShoepairError, match=text):
        registry.ModelConfig(**values)  # type: ignore[arg-type]  # wrong values are the point


def test_unknown_model_is_refused() -> None:
    with pytest.raises(ShoepairError, match="models: 'resnet' is not a model, expected one of histogram, cnn, "):
        registry.build_model("resnet", SHAPE, 1)


def test_seed_makes_the_weights_and_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, again, other = (weights(registry.build_model("cnn", SHAPE, seed)) for seed in (1, 1, 2))
    assert equal(one, again)
    assert not equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("count", [30, 33])
@pytest.mark.parametrize("size", [2, 8, 60, 100])
def test_every_pair_once_an_epoch_and_half_of_each_label(count: int, size: int) -> None:
    same = torch.tensor([1, 0] * count)
    rng = torch.Generator().manual_seed(1)
    indices = torch.nonzero(same == 1).flatten(), torch.nonzero(same == 0).flatten()
    first, second = ([*samplers.iter_balanced_index_mini_batches(*indices, size, rng)] for _ in range(2))
    assert torch.cat(first).sort().values.tolist() == list(range(2 * count)), "a pair was dropped or repeated"
    assert all(same[batch].sum() * 2 == len(batch) for batch in first)
    assert [len(batch) for batch in first[:-1]] == [size] * (len(first) - 1)
    assert not torch.equal(torch.cat(first), torch.cat(second)), "not reshuffled"


@pytest.mark.parametrize("size", [1, 7, 0])
def test_odd_batch_size_is_refused(size: int) -> None:
    with pytest.raises(ShoepairError, match=f"batch_size: {size}, expected (a multiple of|greater .*) 2"):
        config.TrainConfig(batch_size=size)


class FirstPixel(nn.Module):
    """Predicts same when both halves have the same first pixel: correct only on upright images."""

    def forward(self, x: Tensor) -> Tensor:
        apart = (x[:, :, 0, 0] - x[:, :, x.shape[2] // 2, 0]).abs().sum(1)
        return torch.stack([apart, torch.full_like(apart, 1e-3)], 1)


def make_marked_photos() -> NDArray[np.uint8]:
    """Return photos whose first pixel is the pair's number; the other pixels are random."""
    data = np.random.default_rng(1).integers(0, 255, (4, 3, 2, EDGE, EDGE, 3), np.uint8)
    data[:, :, :, 0, 0] = np.array([10, 90, 200])[None, :, None, None]
    return data


def test_perfect_model_has_perfect_accuracies() -> None:
    assert get_accuracy(FirstPixel(), make_marked_photos()) == (1.0, 1.0)


def test_one_minus_positive_accuracy_is_the_share_of_same_pairs_missed() -> None:
    data = make_marked_photos()
    data[0, 0, 1, 0, 0] = 55  # one of 12 same pairs now looks different; the different pairs stay so
    assert get_accuracy(FirstPixel(), data) == (11 / 12, 1.0)


@pytest.mark.parametrize("size", [1, 5, 64])
def test_accuracy_does_not_depend_on_the_batch_size(size: int) -> None:
    model = registry.build_model("cnn_channel", SHAPE, 3)
    assert get_accuracy(model, class_of(3), size) == get_accuracy(model, class_of(3), 32)


def test_same_seed_same_bits() -> None:
    recipe = config.TrainConfig(epochs=2, batch_size=8)
    results = []
    for _ in range(2):
        model = registry.build_model("cnn_channel", registry.ModelConfig(dropout=0.2, edge=EDGE), 1)
        history = train_model(model, class_of(4), class_of(2, 1), config=recipe)
        results.append((weights(model), history))
    assert equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    model = registry.build_model("cnn_channel", SHAPE, 1)
    recipe = config.TrainConfig(epochs=6, batch_size=12)
    valid = class_of(4, 1)
    history = train_model(model, class_of(8), valid, config=recipe, checkpoint_path=tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"epoch-00{n}.safetensors" for n in range(1, 7)]
    best = history.best_epoch
    assert best.valid_balanced == max(epoch.valid_balanced for epoch in history.epochs)
    assert get_accuracy(model, valid) == (best.valid_positive, best.valid_negative)
    assert len(history.losses) == 6 * 4, "one loss an iteration, the short batch too"
    again = registry.build_model("cnn_channel", SHAPE, 2)
    again.load_state_dict(load_file(tmp_path / f"epoch-{best.epoch:03}.safetensors"))
    assert equal(weights(again), weights(model))


def test_first_of_equally_good_epochs_is_the_best() -> None:
    epochs = [EpochMetrics(number, 0.5, 1, 1, share, 0.5) for number, share in ((1, 0.2), (2, 0.6), (3, 0.6))]
    assert History(epochs, []).best_epoch.epoch == 2


def test_floats_and_bytes_train_alike() -> None:
    recipe = config.TrainConfig(epochs=1, batch_size=8)
    photos = class_of(3)
    models_of = [registry.build_model("cnn", SHAPE, 1) for _ in range(2)]
    train_model(models_of[0], photos, photos, config=recipe)
    floats = ((photos.astype(np.float64) / 255) - 0.5).astype(np.float32)
    train_model(models_of[1], floats, floats, config=recipe)
    assert equal(weights(models_of[0]), weights(models_of[1]))


def test_weight_decay_reaches_the_weights() -> None:
    lengths = []
    for decay in (0.0, 1.0):
        model = registry.build_model("cnn", SHAPE, 1)
        train_model(
            model, class_of(3), class_of(3), config=config.TrainConfig(epochs=2, batch_size=8, weight_decay=decay)
        )
        lengths.append(sum(float(value.square().sum()) for value in weights(model)))
    assert lengths[1] < lengths[0]


def test_loss_that_is_not_finite_stops_the_run() -> None:
    with pytest.raises(ShoepairError, match=r"the loss is (nan|inf) in epoch \d+, iteration \d+, .*\ntry a smaller"):
        train_model(
            registry.build_model("cnn", SHAPE, 1),
            class_of(3),
            class_of(3),
            config=config.TrainConfig(epochs=9, batch_size=8, lr=1e30),
        )


def test_photos_are_not_copied() -> None:
    photos = class_of(5)
    assert pair_dataset.make_standard_pair_dataset(photos).images.data_ptr() == photos.ctypes.data, (
        "the photos were copied"
    )


def mixed_pairs(real: int, synthetic: int) -> pair_dataset.InMemoryPairs:
    """Return all nine pairs of real and of synthetic students."""
    combinations = [(s, left, right) for s in range(real + synthetic) for left in range(3) for right in range(3)]
    index = torch.tensor(combinations)
    photos = torch.from_numpy(class_of(real + synthetic))
    is_synthetic = torch.arange(real + synthetic) >= real
    return pair_dataset.InMemoryPairs(photos, index, (index[:, 1] == index[:, 2]).long(), is_synthetic)


@pytest.mark.parametrize(("name", "different"), [("cnn", 3), ("cnn_channel", 3), ("siamese", 6)])
def test_an_epoch_computes_each_training_pair_and_one_view_of_each_validation_pair_once(
    name: str, different: int
) -> None:
    shape = registry.ModelConfig(n=2, batch_norm=True, edge=EDGE, tta=True)
    model = registry.build_model(name, shape, 1)
    assert isinstance(model.features, nn.Sequential)
    seen = {True: 0, False: 0}
    count = lambda layer, inputs: seen.__setitem__(layer.training, seen[layer.training] + len(inputs[0]))  # noqa: E731
    model.features[0].register_forward_pre_hook(count)
    settings = config.TrainConfig(epochs=1, batch_size=12, negatives="random", synthetic_ratio=0.5)
    loop.fit(model, mixed_pairs(4, 3), mixed_pairs(2, 0), settings)
    of_student, of_valid_student = (6, 6) if name == "siamese" else (3 + different, 9)  # photos, or pairs
    assert seen == {True: (4 + 2) * of_student, False: 2 * of_valid_student}


@pytest.mark.parametrize(("name", "different"), [("cnn", 3), ("cnn_channel", 3), ("siamese", 6)])
def test_pairs_of_real_students_alone_count_for_the_accuracy_on_train(name: str, different: int) -> None:
    model = registry.build_model(name, SHAPE, 1)
    settings = config.TrainConfig(batch_size=12, negatives="random", synthetic_ratio=1.0)
    steps = list(loop.iter_training_steps(model, mixed_pairs(4, 3), loop.make_optimizer(model, settings), settings))
    counts = torch.stack([step.counts for step in steps]).sum(0)  # different, same; wrong, right
    assert counts.sum(1).tolist() == [4 * different, 4 * 3]


def test_accuracy_on_train_is_that_of_the_mini_batches_before_each_step() -> None:
    train = class_of(5)
    model = registry.build_model("cnn", SHAPE, 1)
    settings = config.TrainConfig(epochs=1, batch_size=8, lr=1e-12, keep_epoch="last")
    before = get_accuracy(model, train)
    (epoch,) = train_model(model, train, train[:0], config=settings).epochs
    assert (epoch.train_positive, epoch.train_negative) == before
    quick = settings.model_copy(update={"lr": 0.1, "batch_size": 30})
    (epoch,) = train_model(model, train, train[:0], config=quick).epochs
    assert (epoch.train_positive, epoch.train_negative) == before, "one mini-batch, counted before its step"
    assert get_accuracy(model, train) != before


def test_averaged_weights_are_kept_and_measured() -> None:
    shape = registry.ModelConfig(n=2, batch_norm=True, edge=EDGE)
    train = pair_dataset.make_standard_pair_dataset(class_of(4))
    settings = config.TrainConfig(epochs=2, batch_size=8, ema_decay=0.9, keep_epoch="last")
    model_by_hand = registry.build_model("siamese", shape, 1)
    optimizer = loop.make_optimizer(model_by_hand, settings)
    expected: list[Tensor] = []
    for number in (1, 2):
        for _loss in loop.iter_training_steps(model_by_hand, train, optimizer, settings, number):
            pairs = zip(expected or weights(model_by_hand), weights(model_by_hand), strict=True)
            expected = [0.9 * mean + 0.1 * new if new.is_floating_point() else new for mean, new in pairs]
    model = registry.build_model("siamese", shape, 1)
    history = loop.fit(model, train, train, settings)
    for value, mean in zip(weights(model), expected, strict=True):
        if value.is_floating_point():
            torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)
    last = history.epochs[-1]
    one_view = inference.positive_and_negative_accuracy(model, train, tta=False)
    assert one_view == (last.valid_positive, last.valid_negative)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_training_without_progress_ends_after_the_patience(keep: config.KeepEpoch, tmp_path: Path) -> None:
    model = registry.build_model("cnn", SHAPE, 1)
    train, valid = (pair_dataset.make_standard_pair_dataset(class_of(4, seed)) for seed in (1, 2))
    epoch_weights: list[list[Tensor]] = []
    recipe = config.TrainConfig(epochs=9, batch_size=8, lr=1e-12, patience=2, keep_epoch=keep)
    checkpoint = loop.CheckpointFile(tmp_path / "x.safetensors", "key", lambda _line: None)
    after_epoch = lambda _epoch, weights: epoch_weights.append(list(weights.values()))  # noqa: E731  # short
    history = loop.fit(model, train, valid, recipe, checkpoint, after_epoch)
    assert len(history.epochs) == 3, "the first epoch is the best, two more are no better"
    assert history.best_epoch.epoch == 1
    assert equal(weights(model), epoch_weights[0 if keep == "best" else -1])
    resumed = loop.fit(registry.build_model("cnn", SHAPE, 1), train, valid, recipe, checkpoint)
    assert resumed.epochs == history.epochs, "resumed from its checkpoint it ends there too"


class ChangedInputs(StageInputs):
    """Inputs of a stage of which something changes after some epochs."""

    def __init__(self, files_after: int, parameters_after: int) -> None:
        super().__init__()
        self.files_after, self.parameters_after, self.epochs = files_after, parameters_after, 0

    def check_files(self) -> None:
        self.epochs += 1
        if self.epochs > self.files_after:
            raise InputsChangedError("x.h5 changed")  # noqa: EM101

    def check(self) -> None:
        if self.epochs > self.parameters_after:
            raise InputsChangedError("lr changed")  # noqa: EM101


@pytest.mark.parametrize(
    ("inputs", "message", "saved"),
    [
        (ChangedInputs(1, 9), "x.h5 changed", 1),  # the second epoch saw other photos
        (ChangedInputs(9, 1), "lr changed", 2),
    ],
)
def test_change_ends_the_training_and_no_epoch_of_changed_files_is_in_the_checkpoint(
    inputs: ChangedInputs, message: str, saved: int, tmp_path: Path
) -> None:
    train, lines = pair_dataset.make_standard_pair_dataset(class_of(4)), list[str]()
    recipe = config.TrainConfig(epochs=3, batch_size=8, keep_epoch="last")
    checkpoint = loop.CheckpointFile(tmp_path / "x.safetensors", "key", lines.append, inputs)
    with pytest.raises(InputsChangedError, match=message):
        loop.fit(registry.build_model("cnn", SHAPE, 1), train, None, recipe, checkpoint)
    undisturbed = replace(checkpoint, inputs=StageInputs())
    history = loop.fit(registry.build_model("cnn", SHAPE, 1), train, None, recipe, undisturbed)
    assert lines == [f"resumes after epoch {saved}, where an earlier run was stopped"]
    assert len(history.epochs) == 3
