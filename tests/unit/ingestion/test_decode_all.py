"""Many photos: what is seen in each, in their order, whatever the pieces; students made of six."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shoepair.data.naming import PhotoError
from shoepair.ingestion import decode_all
from shoepair.ingestion.decode import Photo
from shoepair.runtime.storage import Listed

EDGE = 16


def red(photo: Photo) -> int:
    """What is looked at in a photo."""
    if photo.pixels[0, 0, 0] == 5:
        reason = "too red"
        raise PhotoError(reason)
    return int(photo.pixels[0, 0, 0])


def write(folder: Path, count: int) -> list[Listed]:
    """Photos of one colour each, their number the red in it."""
    listed = []
    for number in range(count):
        Image.new("RGB", (EDGE, EDGE), (number, 0, 0)).save(folder / f"{number}.png")
        listed.append(Listed(folder / f"{number}.png", ""))
    return listed


def shown(found: list[int | PhotoError]) -> list[int | str]:
    return [str(each) if isinstance(each, PhotoError) else each for each in found]


@pytest.mark.parametrize("piece", [1, 3, 48])
def test_what_is_seen_in_each_photo_comes_in_order_whatever_the_pieces(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_all, "PIECE", piece)
    listed = write(tmp_path, 8)
    listed[2].path.write_bytes(b"")
    expected = [0, 1, "cannot be decoded (the file is empty)", 3, 4, "too red", 6, 7]
    assert shown(list(decode_all.look_at_all(iter(listed), EDGE, red))) == expected


def test_photos_themselves_come_at_the_edge_that_is_asked_for(tmp_path: Path) -> None:
    (photo,) = decode_all.read_all(write(tmp_path, 1), 8)
    assert isinstance(photo, Photo)
    assert photo.pixels.shape == (8, 8, 3)
    assert photo.original == (EDGE, EDGE)


def test_no_photos_are_no_work() -> None:
    assert list(decode_all.read_all([], EDGE)) == []
    assert list(decode_all.students([], EDGE)) == []


def test_file_that_is_gone_is_no_fault_of_a_photo(tmp_path: Path) -> None:
    listed = write(tmp_path, 2)
    listed[1].path.unlink()
    with pytest.raises(FileNotFoundError):
        list(decode_all.read_all(listed, EDGE))


def test_student_is_handed_on_before_the_next_one_is_asked_for() -> None:
    seen: list[int] = []

    def photos(count: int) -> Photo:
        seen.append(count)
        return Photo(np.full((EDGE, EDGE, 3), count, np.uint8), (EDGE, EDGE))

    found = decode_all.students(map(photos, range(12)), EDGE)
    first = next(found)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert first.dtype == np.uint8
    assert first[1, 0, 7, 7].tolist() == [2, 2, 2]
    second = next(found)
    assert second[..., 0, 0, 0].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert first[..., 0, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5]], "one array is not another's memory"


def test_piece_is_named_by_its_first_and_last_photo_and_escaped() -> None:
    listed = [Listed(Path("raw/w\n") / name, "") for name in ("u1.png", "u2.png", "u3.png")]
    assert decode_all._named(listed) == r"raw/w\n: photos u1.png ... u3.png"
    assert decode_all._named(listed[:1]) == r"raw/w\n: photos u1.png ... u1.png"
