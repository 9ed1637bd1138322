"""Stage normalize: the stores, and the splits loaded from them."""

from __future__ import annotations

import numpy as np
import pytest

from shoepair.data import loading, parquet_files, schemas, store
from shoepair.runtime import errors, paths
from stages import ingest, normalize, pairs, split, validate


def prepare() -> None:
    """Run all stages before training on the tiny class."""
    for stage in (ingest, validate, normalize):
        stage.main("tiny")
    split.main()
    pairs.main()


@pytest.mark.usefixtures("project")
def test_load_split_returns_the_array_of_the_assignment() -> None:
    prepare()
    rows = parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)
    train = loading.load_split("train")
    assert train.dtype == np.float32
    assert train.shape == ((rows["split"] == "train").sum(), 3, 2, 32, 32, 3)
    with store.Store(paths.store_path("tiny")) as opened:
        pixels = opened.read_students(rows[rows["split"] == "train"]["row"].to_numpy())
    assert (train == (pixels / 255 - 0.5).astype(np.float32)).all()
    with pytest.raises(errors.ShoepairError, match="split 'tset', expected one of train, valid, test_m, test_w"):
        loading.load_split("tset")


@pytest.mark.usefixtures("project")
def test_test_splits_are_not_mixed_up() -> None:
    prepare()
    for name, student in (("test_m", "u021"), ("test_w", "u034")):
        with store.Store(paths.store_path("tiny")) as opened:
            pixels = opened.read_students([opened.student_ids.index(student)])
        assert (loading.load_split(name) == store.scale_to_centred_float(pixels)).all()
