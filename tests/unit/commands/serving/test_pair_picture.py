"""The picture of the answers: as many shoes as there are, in rows of three pairs."""

from __future__ import annotations

import numpy as np
import pytest

from shoepair.commands.serving import pair_picture
from shoepair.commands.serving.predictor import Prediction, ShoePhoto


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (4, 3, 2)])
def test_pairs_stand_in_rows_of_three(count: int, columns: int, rows: int) -> None:
    red, blue = (ShoePhoto(np.full((40, 40, 3), colour, np.uint8)) for colour in ((255, 0, 0), (0, 0, 255)))
    answer = Prediction("same pair", 0.9, (), ())
    sheet = pair_picture.draw_pairs(count * [("links \u4e00 " + "x" * 40, "b.jpg", red, blue, answer)])
    assert sheet.size == (columns * 104, rows * 108)
    pixels = np.asarray(sheet).astype(int)
    assert int((pixels == [255, 0, 0]).all(axis=2).sum()) == count * 1600
    assert int((pixels == [0, 0, 255]).all(axis=2).sum()) == count * 1600


def test_no_pairs_are_a_line() -> None:
    assert (np.asarray(pair_picture.draw_pairs([])) < 128).any()
