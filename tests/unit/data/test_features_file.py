"""The file of features: same bytes, what is read back, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from shoepair.data import features_file
from shoepair.data.features_file import FeaturesFile, FeaturesKind, StudentFeatures
from shoepair.runtime.errors import ShoepairError

KIND = FeaturesKind("bundled:tiny", "a" * 64, 32)
STUDENTS = ["u001", "u002", "u005"]
IS_AUGMENTED = [True, False, True]
SHAPES = {"stage5": (4, 2, 2), "colors": (3, 16)}


def arrays(seed: int, views: int) -> dict[str, NDArray[np.float16]]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(3, 2, views, *shape)).astype(np.float16) for name, shape in SHAPES.items()}


def write(path: Path, augmented: int = 3) -> list[StudentFeatures]:
    rows = [
        StudentFeatures(arrays(number, 2), arrays(9 + number, augmented) if flag and augmented else None)
        for number, flag in enumerate(IS_AUGMENTED)
    ]
    flags = [flag and augmented > 0 for flag in IS_AUGMENTED]
    features_file.write_features(path, KIND, STUDENTS, flags, rows)
    return rows


def flatten(features: dict[str, NDArray[np.float16]], names: list[str]) -> NDArray[np.float16]:
    return np.concatenate([features[name].reshape(*features[name].shape[:3], -1) for name in names], axis=3)


@pytest.mark.parametrize("names", [["stage5", "colors"], ["colors"], ["colors", "stage5"]])
def test_what_was_written_is_read_name_after_name(names: list[str], tmp_path: Path) -> None:
    rows = write(tmp_path / "a.h5")
    with FeaturesFile(tmp_path / "a.h5", names, KIND) as file:
        assert (len(file), file.student_ids) == (3, STUDENTS)
        read = file.read_students([2, 0])
        assert read.dtype == np.float16
        assert file.student_bytes == read[0].nbytes
    for position, row in enumerate((2, 0)):
        assert np.array_equal(read[position], flatten(dict(rows[row].views), names))


def test_augmented_views_follow_of_the_students_that_have_them(tmp_path: Path) -> None:
    rows = write(tmp_path / "a.h5")
    with FeaturesFile(tmp_path / "a.h5", ["stage5"], KIND, with_augmented=True) as file:
        read = file.read_students([2])[0]
        assert read.shape[2] == 5
        assert rows[2].augmented is not None
        assert np.array_equal(read[:, :, 2:], flatten(dict(rows[2].augmented), ["stage5"]))
        with pytest.raises(ShoepairError, match="no augmented views of student 1"):
            file.read_students([1])


def test_without_augmented_views_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", augmented=0)
    with FeaturesFile(tmp_path / "a.h5", ["stage5"], KIND, with_augmented=True) as file:
        assert file.read_students([1]).shape[3] == 2


def test_same_features_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_student_takes_at_most_1200_kilobytes_with_the_maps_of_lite0(tmp_path: Path) -> None:
    shapes = {"stage5": (112, 14, 14), "stage6": (192, 7, 7), "stage7": (320, 7, 7), "colors": (3, 16)}
    views = {name: np.zeros((3, 2, 2, *shape), np.float16) for name, shape in shapes.items()}
    features_file.write_features(tmp_path / "a.h5", KIND, ["u001"], [False], [StudentFeatures(views, None)])
    assert (tmp_path / "a.h5").stat().st_size <= 1.2e6


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (
            FeaturesKind("other.pth", "b" * 64, 32),
            "features of bundled:tiny .aaaaaaaa. at 32 pixels, expected other.pth",
        ),
        (FeaturesKind("bundled:tiny", "a" * 64, 224), "at 32 pixels, expected bundled:tiny .aaaaaaaa. at 224 pixels"),
    ],
)
def test_features_of_another_network_or_edge_are_refused(kind: FeaturesKind, found: str, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    with pytest.raises(ShoepairError, match=f"a.h5: .*{found}(?s:.*)dvc repro"):
        FeaturesFile(tmp_path / "a.h5", ["stage5"], kind)


def test_file_without_features_says_why(tmp_path: Path) -> None:
    features_file.write_empty_file(tmp_path / "a.h5")
    with pytest.raises(ShoepairError, match=r"no features in it, since `pretrained.models` named no model"):
        FeaturesFile(tmp_path / "a.h5", ["stage5"], KIND)


def change_format(file: h5py.File) -> None:
    file.attrs["format"] = 2


def delete_map(file: h5py.File) -> None:
    del file["stage5"]


def claim_more(file: h5py.File) -> None:
    del file["stage5"]
    file.create_dataset("stage5", (3, 3, 2, 2, 999, 99), np.float16, chunks=(1, 3, 2, 2, 999, 99))


def change_type(file: h5py.File) -> None:
    del file["stage5"]
    file["stage5"] = np.zeros((3, 3, 2, 2, 4), np.float32)


def forge_rows(file: h5py.File) -> None:
    del file["augmented_row"]
    file["augmented_row"] = np.zeros(2, np.int32)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (change_format, "format 2, expected features of format 1"),
        (delete_map, "no dataset /stage5"),
        (claim_more, "claims more than the file holds"),
        (change_type, "no half-precision numbers of 3 students in /stage5"),
        (forge_rows, "no row of each student"),
    ],
)
def test_damaged_or_forged_file_is_refused(change: Callable[[h5py.File], None], problem: str, tmp_path: Path) -> None:
    write(tmp_path / "tiny.h5")
    with h5py.File(tmp_path / "tiny.h5", "r+") as file:
        change(file)
    with pytest.raises(ShoepairError, match=f"tiny.h5: .*{problem}(?s:.*)dvc repro features@tiny"):
        FeaturesFile(tmp_path / "tiny.h5", ["stage5"], KIND)


def test_torn_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tiny.h5")
    content = (tmp_path / "tiny.h5").read_bytes()
    (tmp_path / "tiny.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ShoepairError, match="dvc repro features@tiny"):
        FeaturesFile(tmp_path / "tiny.h5", ["stage5"], KIND)
