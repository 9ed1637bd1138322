"""Drawn students beside the class: learnt from, never judged, and in no class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.drawn import draw_students, rows
from support.field import edit

from shoepair.commands.collection import add
from shoepair.data import loading, pair_dataset
from shoepair.data.store import Store
from shoepair.ingestion.config import Normalize
from shoepair.models import inference, registry
from shoepair.runtime import params, paths
from shoepair.runtime.batches import load_batches
from shoepair.runtime.errors import ShoepairError
from shoepair.synthetic import training_students as drawing
from shoepair.training import job, loop, samplers
from shoepair.training.config import TrainConfig

EDGE = 32
MANY = 2**31  # bytes: photos stay in memory


@pytest.fixture
def drawn(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny project with the store of five drawn students."""
    draw_students(monkeypatch)
    return project


def test_stage_packs_them_as_photos_are_packed(drawn: Path) -> None:
    assert drawn.is_dir()
    with Store(paths.store(paths.SYNTHETIC)) as store:
        assert store.edge == params.load(Normalize).edge
        assert store.students == [f"u000000000{number}" for number in (1, 2, 3, 4, 5)]
        photos = store.read(range(5))
    np.testing.assert_array_equal(photos, list(drawing.draw(5, 1, EDGE)))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("alone", "each"), [(True, 6), (False, 9)])
def test_they_are_learnt_from_beside_the_class(alone: bool, each: int) -> None:
    class_rows = rows(3)
    config = TrainConfig(
        different="standard" if alone else "drawn", synthetic=1.0, network=registry.ModelConfig(edge=16), device="cpu"
    )
    both = job.assemble("cnn", config, class_rows, class_rows)
    assert sorted(both.train["batch"]) == [paths.SYNTHETIC] * 5 * each + ["tiny"] * 3 * each
    assert both.train["standard"].sum() == 8 * 6
    assert both.valid is not None
    assert (both.valid["batch"] == ["tiny"] * 3 * each).all(), "nobody is judged by them"
    without = job.assemble("cnn", config.model_copy(update={"synthetic": 0.0}), class_rows, None)
    assert (without.train["batch"] == ["tiny"] * 3 * each).all()
    assert (job.assemble("histogram", config, class_rows, None).train["batch"] == ["tiny"] * 3 * each).all()


@pytest.mark.usefixtures("project")
def test_store_that_is_missing_is_named() -> None:
    with pytest.raises(ShoepairError, match=r"synthetic.h5: missing\nrun `dvc repro`, which builds it"):
        loading.add_synthetic_pairs(pd.DataFrame())


@pytest.mark.usefixtures("drawn")
def test_store_that_is_damaged_is_drawn_anew() -> None:
    paths.store(paths.SYNTHETIC).write_bytes(b"\x89HDF")
    with pytest.raises(ShoepairError, match="delete it and run `dvc repro synthetic`, which rebuilds it"):
        loading.add_synthetic_pairs(pd.DataFrame())


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("memory", [MANY, 0])
@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 2), (1.0, 3), (9.0, 5)])
def test_epoch_takes_the_class_and_some_drawn_ones(memory: int, share: float, count: int) -> None:
    data = loading.within(loading.add_synthetic_pairs(rows(3)), 16, memory, torch.device("cpu"))
    assert data.synthetic.tolist() == [False] * 3 + [True] * 5
    recipe = TrainConfig(batch_size=6, synthetic=share, different="drawn")
    epochs = [
        samplers.epoch_students(data, recipe, torch.Generator().manual_seed(number)).tolist() for number in range(20)
    ]
    for students in epochs:
        assert students[:3] == [0, 1, 2]
        assert len(set(students)) == len(students) == 3 + count
    assert {number for students in epochs for number in students[3:]} == (set(range(3, 8)) if count else set())
    sizes = [len(each) for each in samplers.student_batches(data, recipe, torch.Generator().manual_seed(0))]
    assert sizes == [2] * (len(epochs[0]) // 2) + [1] * (len(epochs[0]) % 2), "a student for every three pairs"
    for deal in (samplers.pair_batches, samplers.student_batches):
        numbers = torch.cat(list(deal(data, recipe, torch.Generator().manual_seed(0))))
        dealt = data.shoes[numbers, 0] if deal is samplers.pair_batches else numbers
        assert sorted(set(dealt.tolist())) == sorted(epochs[0])
        assert len(numbers) == (3 + count) * (6 if deal is samplers.pair_batches else 1)


@pytest.mark.usefixtures("drawn")
def test_they_may_stand_anywhere_among_the_students() -> None:
    real = rows(3)
    both = loading.add_synthetic_pairs(real)
    mixed = pd.concat([both[both["row"] == row] for row in range(5)], ignore_index=True)
    data = loading.within(mixed, 16, MANY, torch.device("cpu"))
    assert data.synthetic.tolist() == [False, True] * 3 + [True] * 2
    config = TrainConfig(batch_size=6, synthetic=9.0, different="drawn")
    assert samplers.epoch_students(data, config, torch.Generator()).sort().values.tolist() == list(range(8))
    without = samplers.epoch_students(data, config.model_copy(update={"synthetic": 0.0}), torch.Generator())
    assert without.tolist() == [0, 2, 4]
    own = pair_dataset.without_synthetic(data)
    alone = loading.within(real, 16, MANY, torch.device("cpu"))
    for name in ("cnn_channel", "siamese"):
        model = registry.build(name, registry.ModelConfig(n=2, edge=16), 1)
        assert torch.equal(inference.logits(model, own), inference.logits(model, alone))


@pytest.mark.usefixtures("drawn")
def test_without_them_the_same_is_learnt_as_if_they_were_not_there() -> None:
    def weights(data: pair_dataset.Pairing) -> list[torch.Tensor]:
        model = registry.build("siamese", registry.ModelConfig(n=2, edge=16), 1)
        loop.fit(model, data, None, TrainConfig(epochs=1, batch_size=6, keep="last", different="drawn"))
        return list(model.parameters())

    real = rows(3)
    both = loading.within(loading.add_synthetic_pairs(real), 16, MANY, torch.device("cpu"))
    alone = loading.within(real, 16, MANY, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(weights(both), weights(alone), strict=True))


@pytest.mark.usefixtures("project")
def test_no_batch_may_have_their_name() -> None:
    before = paths.BATCHES.read_text()
    for dry_run in (True, False):
        with pytest.raises(
            ShoepairError, match="--name 'synthetic': the drawn students beside the class are called that"
        ):
            add.add(paths.raw("tiny"), paths.SYNTHETIC, dry_run=dry_run)
    assert paths.BATCHES.read_text() == before
    assert not paths.raw(paths.SYNTHETIC).exists()
    edit(paths.BATCHES, "  - tiny", "  - synthetic")
    with pytest.raises(ShoepairError, match="expected another name: `synthetic` are the drawn students"):
        load_batches()
