"""Stage normalize: the stores, and the splits loaded from them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.field import write_photo

from shoepair.data import parquet_files, photo_loading, schemas, store
from shoepair.ingestion import decoding, parallel_decoding
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
    train = photo_loading.load_split("train")
    assert train.dtype == np.float32
    assert train.shape == ((rows["split"] == "train").sum(), 3, 2, 32, 32, 3)
    with store.Store(paths.store_path("tiny")) as opened:
        pixels = opened.read_students(rows[rows["split"] == "train"]["row"].to_numpy())
    assert (train == (pixels / 255 - 0.5).astype(np.float32)).all()
    with pytest.raises(errors.ShoepairError, match="split 'tset', expected one of train, valid, test_m, test_w"):
        photo_loading.load_split("tset")


@pytest.mark.usefixtures("project")
def test_test_splits_are_not_mixed_up() -> None:
    prepare()
    for name, student in (("test_m", "u021"), ("test_w", "u034")):
        with store.Store(paths.store_path("tiny")) as opened:
            pixels = opened.read_students([opened.student_ids.index(student)])
        assert (photo_loading.load_split(name) == store.scale_to_centred_float(pixels)).all()


PHOTO = paths.raw_path("tiny") / "train/u002_2_left_m.jpg"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("stage", [validate, normalize], ids=["validate", "normalize"])
def test_photo_replaced_by_that_of_another_student_stops_the_stage(stage: ModuleType) -> None:
    """The photo is sound, but not the one that the table of the stage before lists."""
    ingest.main("tiny")
    if stage is normalize:
        validate.main("tiny")
    content = PHOTO.read_bytes()
    write_photo(PHOTO, [99])
    with pytest.raises(
        errors.ShoepairError, match=f"^{PHOTO}: not the photo that was listed: found .*, expected .*\n"
    ):
        stage.main("tiny")
    assert not (paths.accepted_path("tiny") if stage is validate else paths.store_path("tiny")).exists()
    assert not list(Path("data").rglob("*.part"))
    PHOTO.write_bytes(content)
    stage.main("tiny")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("stage", [validate, normalize], ids=["validate", "normalize"])
def test_photo_replaced_while_it_is_decoded_changes_nothing(
    stage: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync program replaces each photo as soon as it was read, and puts it back after it was decoded."""
    for each in (ingest, validate, normalize):
        each.main("tiny")
    outputs = [paths.accepted_path("tiny"), paths.image_stats_path("tiny"), paths.store_path("tiny")]
    wanted = [path.read_bytes() for path in outputs]
    decode_photo = decoding.decode_photo
    photo_paths = {path.read_bytes(): path for path in paths.raw_path("tiny").rglob("*.jpg")}

    def decode_beside_another_photo(content: bytes, edge: int) -> object:
        path = photo_paths.pop(content)  # each is decoded once
        write_photo(path, [99])
        decoded = decode_photo(content, edge)
        path.write_bytes(content)
        return decoded

    monkeypatch.setattr(parallel_decoding, "decode_photo", decode_beside_another_photo)
    stage.main("tiny")
    assert not photo_paths
    assert [path.read_bytes() for path in outputs] == wanted
