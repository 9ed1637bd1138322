"""The HDF5 store, and the batches read from it."""

from __future__ import annotations

import numpy as np
import pytest

from shoepair.data import loading, schemas, store, tables
from shoepair.runtime import errors, paths
from stages import ingest, normalize, pairs, split, validate


def prepare() -> None:
    """All stages before training on the tiny class."""
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    split.main()
    pairs.main()


@pytest.mark.usefixtures("project")
def test_load_split_gives_the_assignments_array() -> None:
    prepare()
    rows = tables.read(paths.SPLIT, schemas.Split)
    train = loading.load_split("train")
    assert train.dtype == np.float32
    assert train.shape == ((rows["split"] == "train").sum(), 3, 2, 32, 32, 3)
    with store.Store(paths.store("tiny")) as opened:
        pixels = opened.read(rows[rows["split"] == "train"]["row"].to_numpy())
    assert (train == (pixels / 255 - 0.5).astype(np.float32)).all()
    with pytest.raises(errors.ShoepairError, match="split 'tset', expected one of train, valid, test_m, test_w"):
        loading.load_split("tset")


@pytest.mark.usefixtures("project")
def test_test_sets_are_not_mixed_up() -> None:
    prepare()
    for name, student in (("test_m", "u021"), ("test_w", "u034")):
        with store.Store(paths.store("tiny")) as opened:
            pixels = opened.read([opened.students.index(student)])
        assert (loading.load_split(name) == store.scaled(pixels)).all()
