"""What follows from a map of where shoes are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shoepair.commands.serving import shoe_mask
from shoepair.commands.serving.photo_issues import ISSUE_TEXTS

EDGE = 14
AT_BORDER = 0.8  # the limit


def draw_map(*rectangles: tuple[int, int, int, int, float]) -> shoe_mask.Map:
    """Return a map that is 0.01 but in rectangles: top, left, height, width, probability."""
    places = np.full((EDGE, EDGE), 0.01)
    for top, left, height, width, probability in rectangles:
        places[top : top + height, left : left + width] = probability
    return places


def faults(*rectangles: tuple[int, int, int, int, float]) -> tuple[str, ...]:
    return shoe_mask.find_faults(shoe_mask.measure_shape(draw_map(*rectangles)), AT_BORDER)


@pytest.mark.parametrize(
    ("rectangles", "expected"),
    [
        ([(2, 5, 10, 4, 0.9)], ()),
        ([(2, 2, 4, 9, 0.6)], ()),
        ([(2, 5, 6, 4, 0.9), (8, 5, 1, 4, 0.3), (9, 5, 3, 4, 0.9)], ()),  # a dark part of one shoe
        ([(2, 5, 10, 4, 0.9), (1, 11, 2, 2, 0.9)], ()),  # a thing beside it
        ([(2, 2, 9, 3, 0.9), (3, 8, 9, 3, 0.9)], ("several_shoes",)),
        ([(2, 3, 9, 4, 0.9), (2, 7, 9, 4, 0.9)], ("several_shoes",)),  # that touch
        ([(0, 5, 6, 5, 0.9)], ("cut_off",)),
        ([(0, 0, 14, 14, 0.9)], ("cut_off",)),
        ([(0, 1, 7, 4, 0.9), (0, 8, 7, 4, 0.9)], ("cut_off",)),
        ([(5, 5, 4, 2, 0.9)], ("far_away",)),
        ([], ("far_away",)),  # the detector tells that there is no shoe
    ],
)
def test_one_whole_shoe_has_no_fault(rectangles: list[tuple[int, int, int, int, float]], expected: object) -> None:
    found = faults(*rectangles)
    assert found == expected
    assert set(found) <= set(ISSUE_TEXTS)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_faults_do_not_depend_on_how_the_photo_is_turned(turns: int) -> None:
    for places in (draw_map((0, 5, 6, 5, 0.9)), draw_map((2, 2, 9, 3, 0.9), (3, 8, 9, 3, 0.9))):
        expected = shoe_mask.find_faults(shoe_mask.measure_shape(places), AT_BORDER)
        turned = shoe_mask.measure_shape(np.rot90(places, turns))
        assert shoe_mask.find_faults(turned, AT_BORDER) == expected != ()


def test_length_and_width_are_those_of_an_ellipse() -> None:
    y, x = (np.mgrid[:EDGE, :EDGE] - 6.5) / EDGE
    for angle in np.linspace(0, math.pi, 7):
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        inside = (along / 0.4) ** 2 + (across / 0.2) ** 2 < 1
        shape = shoe_mask.measure_shape(np.where(inside, 0.9, 0.01))
        assert shape.length == pytest.approx(0.8, abs=0.06)
        assert shape.width == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("top", "left", "height", "width"), [(5, 5, 4, 2), (0, 0, 3, 3), (11, 12, 3, 2), (0, 0, 14, 14)]
)
def test_part_around_the_shoe_holds_it_and_is_a_square(top: int, left: int, height: int, width: int) -> None:
    shape = shoe_mask.measure_shape(draw_map((top, left, height, width, 0.9)))
    scale = 16
    pixels = np.zeros((EDGE * scale, EDGE * scale, 3), np.uint8)
    pixels[top * scale : (top + height) * scale, left * scale : (left + width) * scale] = 255
    part = shoe_mask.crop_largest(pixels, shape)
    assert part.shape[0] == part.shape[1] <= EDGE * scale
    assert part.sum() == pixels.sum()
    assert len(part) == min(EDGE * scale, round(max(height, width) * scale * 1.6))
