"""Synthetic training students: added to the training students of the class, never used for evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.drawn import draw_students, rows
from support.field import edit

from shoepair.commands.collection import add
from shoepair.data import loading, pair_dataset, photo_loading
from shoepair.data.store import Store
from shoepair.ingestion.config import NormalizeConfig
from shoepair.models import inference, registry
from shoepair.runtime import params, paths
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError
from shoepair.synthetic import training_students
from shoepair.training import job, loop, samplers
from shoepair.training.config import TrainConfig

EDGE = 32
MANY = 2**31  # bytes: photos stay in memory


@pytest.fixture
def with_synthetic(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the tiny project with the store of five synthetic students."""
    draw_students(monkeypatch)
    return project


@pytest.mark.usefixtures("with_synthetic")
def test_stage_packs_them_as_photos_are_packed() -> None:
    with Store(paths.store_path(paths.SYNTHETIC_BATCH)) as store:
        assert store.edge == params.load(NormalizeConfig).edge
        assert store.student_ids == [f"u000000000{number}" for number in (1, 2, 3, 4, 5)]
        photos = store.read_students(range(5))
    np.testing.assert_array_equal(photos, list(training_students.iter_decoded_student_photos(5, 1, EDGE)))


@pytest.mark.usefixtures("with_synthetic")
@pytest.mark.parametrize(("standard", "per_student"), [(True, 6), (False, 9)])
def test_they_are_added_to_the_training_students(standard: bool, per_student: int) -> None:
    class_rows = rows(3)
    config = TrainConfig(
        negatives="standard" if standard else "random",
        synthetic_ratio=1.0,
        network=registry.ModelConfig(edge=16),
        device="cpu",
    )
    both = job.build_model_and_job("cnn", config, class_rows, class_rows)
    assert sorted(both.train_rows["batch"]) == [paths.SYNTHETIC_BATCH] * 5 * per_student + ["tiny"] * 3 * per_student
    assert both.train_rows["standard"].sum() == 8 * 6
    assert both.valid_rows is not None
    assert (both.valid_rows["batch"] == ["tiny"] * 3 * per_student).all(), "evaluated on synthetic students"
    without = job.build_model_and_job("cnn", config.model_copy(update={"synthetic_ratio": 0.0}), class_rows, None)
    assert (without.train_rows["batch"] == ["tiny"] * 3 * per_student).all()
    baseline = job.build_model_and_job("histogram", config, class_rows, None)
    assert (baseline.train_rows["batch"] == ["tiny"] * 3 * per_student).all()


@pytest.mark.usefixtures("project")
def test_missing_store_is_refused() -> None:
    with pytest.raises(ShoepairError, match=r"synthetic.h5: missing\nrun `dvc repro`, which builds it"):
        photo_loading.append_synthetic_pair_rows(pd.DataFrame())


@pytest.mark.usefixtures("with_synthetic")
def test_damaged_store_is_refused() -> None:
    paths.store_path(paths.SYNTHETIC_BATCH).write_bytes(b"\x89HDF")
    with pytest.raises(ShoepairError, match="delete it and run `dvc repro synthetic`, which rebuilds it"):
        photo_loading.append_synthetic_pair_rows(pd.DataFrame())


@pytest.mark.usefixtures("with_synthetic")
@pytest.mark.parametrize("memory", [MANY, 0])
@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (0.5, 2), (1.0, 3), (9.0, 5)])
def test_epoch_has_the_class_and_some_synthetic_students(memory: int, ratio: float, count: int) -> None:
    data = loading.load_or_stream_pairs(
        photo_loading.append_synthetic_pair_rows(rows(3)), 16, memory, torch.device("cpu")
    )
    assert data.is_synthetic_student.tolist() == [False] * 3 + [True] * 5
    config = TrainConfig(batch_size=6, synthetic_ratio=ratio, negatives="random")
    epochs = [
        samplers.select_epoch_student_indices(data, config, torch.Generator().manual_seed(number)).tolist()
        for number in range(20)
    ]
    for students in epochs:
        assert students[:3] == [0, 1, 2]
        assert len(set(students)) == len(students) == 3 + count
    assert {number for students in epochs for number in students[3:]} == (set(range(3, 8)) if count else set())
    by_student = list(samplers.iter_student_index_mini_batches(data, config, torch.Generator().manual_seed(0)))
    sizes = [len(mini_batch) for mini_batch in by_student]
    assert sizes == [2] * (len(epochs[0]) // 2) + [1] * (len(epochs[0]) % 2), "a student for every three pairs"
    by_pair = list(samplers.iter_pair_index_mini_batches(data, config, torch.Generator().manual_seed(0)))
    for mini_batches, pairs_per_student in ((by_student, 1), (by_pair, 6)):
        numbers = torch.cat(mini_batches)
        rows_used = data.pair_index[numbers, 0] if mini_batches is by_pair else numbers
        assert sorted(set(rows_used.tolist())) == sorted(epochs[0])
        assert len(numbers) == (3 + count) * pairs_per_student


@pytest.mark.usefixtures("with_synthetic")
def test_they_may_be_anywhere_among_the_students() -> None:
    real = rows(3)
    both = photo_loading.append_synthetic_pair_rows(real)
    mixed = pd.concat([both[both["row"] == row] for row in range(5)], ignore_index=True)
    data = loading.load_or_stream_pairs(mixed, 16, MANY, torch.device("cpu"))
    assert data.is_synthetic_student.tolist() == [False, True] * 3 + [True] * 2
    config = TrainConfig(batch_size=6, synthetic_ratio=9.0, negatives="random")
    assert samplers.select_epoch_student_indices(data, config, torch.Generator()).sort().values.tolist() == list(
        range(8)
    )
    without = samplers.select_epoch_student_indices(
        data, config.model_copy(update={"synthetic_ratio": 0.0}), torch.Generator()
    )
    assert without.tolist() == [0, 2, 4]
    dropped = pair_dataset.drop_synthetic_pairs(data)
    class_only = loading.load_or_stream_pairs(real, 16, MANY, torch.device("cpu"))
    for name in ("cnn_channel", "siamese"):
        model = registry.build_model(name, registry.ModelConfig(n=2, edge=16), 1)
        assert torch.equal(inference.predict_logits(model, dropped), inference.predict_logits(model, class_only))


@pytest.mark.usefixtures("with_synthetic")
def test_training_without_them_equals_training_on_the_class_only() -> None:
    def weights(data: pair_dataset.PairSource) -> list[torch.Tensor]:
        model = registry.build_model("siamese", registry.ModelConfig(n=2, edge=16), 1)
        loop.fit(model, data, None, TrainConfig(epochs=1, batch_size=6, keep_epoch="last", negatives="random"))
        return list(model.parameters())

    real = rows(3)
    both = loading.load_or_stream_pairs(photo_loading.append_synthetic_pair_rows(real), 16, MANY, torch.device("cpu"))
    class_only = loading.load_or_stream_pairs(real, 16, MANY, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(weights(both), weights(class_only), strict=True))


@pytest.mark.usefixtures("project")
def test_no_batch_may_have_their_name() -> None:
    before = paths.BATCH_LIST.read_text()
    for dry_run in (True, False):
        with pytest.raises(ShoepairError, match="--name 'synthetic': reserved for the synthetic training students"):
            add.add_batch(paths.raw_path("tiny"), paths.SYNTHETIC_BATCH, dry_run=dry_run)
    assert paths.BATCH_LIST.read_text() == before
    assert not paths.raw_path(paths.SYNTHETIC_BATCH).exists()
    edit(paths.BATCH_LIST, "  - tiny", "  - synthetic")
    with pytest.raises(ShoepairError, match="expected another name: `synthetic` is reserved for the synthetic stud"):
        load_batch_lists()
