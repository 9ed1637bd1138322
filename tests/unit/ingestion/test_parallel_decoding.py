"""Parallel decoding: results in input order, whatever the size of tasks; photos stacked by student."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.remote_photos import listed

from shoepair.data.naming import PhotoError
from shoepair.ingestion import decoding, parallel_decoding
from shoepair.ingestion.decoding import DecodedPhoto
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.storage import PhotoFile

EDGE = 16


def red(photo: DecodedPhoto) -> int:
    """Return the red of a photo's first pixel; 5 is an error."""
    if photo.pixels[0, 0, 0] == 5:
        reason = "too red"
        raise PhotoError(reason)
    return int(photo.pixels[0, 0, 0])


def write(folder: Path, count: int) -> list[PhotoFile]:
    """Write photos of one colour each; the number of a photo is its red."""
    files = []
    for number in range(count):
        Image.new("RGB", (EDGE, EDGE), (number, 0, 0)).save(folder / f"{number}.png")
        files.append(listed(folder / f"{number}.png"))
    return files


@pytest.mark.parametrize("photos_per_task", [1, 3, 48])
def test_results_are_in_input_order_whatever_the_size_of_tasks(
    photos_per_task: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_decoding, "PHOTOS_PER_TASK", photos_per_task)
    files = write(tmp_path, 8)
    files[2].path.write_bytes(b"")
    files[2] = listed(files[2].path)
    results = parallel_decoding.imap_decoded_photos_or_errors(iter(files), EDGE, red)
    expected = [0, 1, "cannot be decoded (the file is empty)", 3, 4, "too red", 6, 7]
    assert [str(result) if isinstance(result, PhotoError) else result for result in results] == expected


def test_photos_are_decoded_at_the_given_edge(tmp_path: Path) -> None:
    (photo,) = parallel_decoding.iter_decoded_photos_or_errors(write(tmp_path, 1), 8)
    assert isinstance(photo, DecodedPhoto)
    assert photo.pixels.shape == (8, 8, 3)
    assert photo.original == (EDGE, EDGE)


def test_no_photos_give_no_results() -> None:
    assert list(parallel_decoding.iter_decoded_photos_or_errors([], EDGE)) == []
    assert list(parallel_decoding.iter_student_photo_stacks([], EDGE)) == []


def test_file_that_is_not_the_listed_one_is_no_photo_error(tmp_path: Path) -> None:
    files = write(tmp_path, 3)
    files[1].path.write_bytes(files[2].path.read_bytes())
    with pytest.raises(ShoepairError, match=r"1\.png: not the photo that was listed"):
        list(parallel_decoding.iter_decoded_photos_or_errors(files, EDGE))
    files[1].path.unlink()
    with pytest.raises(ShoepairError, match=r"1\.png: missing, but it was listed\n"):
        list(parallel_decoding.iter_decoded_photos_or_errors(files, EDGE))


def test_file_that_is_too_large_by_its_table_is_refused_and_not_read(tmp_path: Path) -> None:
    files = write(tmp_path, 3)
    files[1].path.unlink()
    files[1] = replace(files[1], length=decoding.MAX_FILE_BYTES + 1)
    results = list(parallel_decoding.imap_decoded_photos_or_errors(files, EDGE, red))
    assert results[::2] == [0, 2]
    assert str(results[1]) == "64,000,001 bytes, expected 64,000,000 at most: save it as JPEG"


def test_machine_without_memory_ends_the_run_and_rejects_no_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decoding, "convert_to_srgb_with_remarks", without_memory)
    with pytest.raises(
        ShoepairError, match=r"0\.png: cannot be decoded \(this machine has too little memory left\)\n"
    ):
        list(parallel_decoding.iter_decoded_photos_or_errors(write(tmp_path, 1), EDGE))


def test_student_is_yielded_before_the_next_one_is_decoded() -> None:
    decoded: list[int] = []

    def photo(number: int) -> DecodedPhoto:
        decoded.append(number)
        return DecodedPhoto(np.full((EDGE, EDGE, 3), number, np.uint8), (EDGE, EDGE))

    students = parallel_decoding.iter_student_photo_stacks(map(photo, range(12)), EDGE)
    first = next(students)
    assert decoded == [0, 1, 2, 3, 4, 5]
    assert first.dtype == np.uint8
    assert first[1, 0, 7, 7].tolist() == [2, 2, 2]
    second = next(students)
    assert second[..., 0, 0, 0].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert first[..., 0, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5]], "the arrays share memory"


def test_task_is_described_by_its_first_and_last_photo_and_escaped() -> None:
    files = [PhotoFile(Path("raw/w\n") / name, 1, "") for name in ("u1.png", "u2.png", "u3.png")]
    assert parallel_decoding._describe_chunk(files) == r"raw/w\n: photos u1.png ... u3.png"
    assert parallel_decoding._describe_chunk(files[:1]) == r"raw/w\n: photos u1.png ... u1.png"
