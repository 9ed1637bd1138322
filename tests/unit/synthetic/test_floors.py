"""Floors: what each of them is painted with, the same for the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shoepair.synthetic import floors
from shoepair.synthetic.primitives import TEXTURE, Colour, Floats

Paint = Callable[[np.random.Generator, Floats, Floats], Floats]
SIDE = np.arange(200, dtype=np.float32)
U, V = np.broadcast_to(1000 + SIDE, (200, 200)), np.broadcast_to(1000 + SIDE[:, None], (200, 200))
PAINTS: dict[str, tuple[Paint, tuple[Colour, ...]]] = {
    "wood": (floors.wood, floors.WOODS),
    "tile": (floors.tile, floors.TILES),
    "carpet": (floors.carpet, floors.CARPETS),
    "plain": (floors.plain, floors.PLAINS),
}


def painted(name: str, seed: int) -> Floats:
    return PAINTS[name][0](np.random.default_rng(seed), U, V)


@pytest.mark.parametrize("name", PAINTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_floor_has_one_of_its_colours_lighter_and_darker(name: str, seed: int) -> None:
    found = painted(name, seed)
    assert found.shape == (3, 200, 200)
    assert 0 < found.min() < found.max() < 1.2
    mean = np.median(found, axis=(1, 2))
    tones = [mean / np.array(colour) for colour in PAINTS[name][1]]
    near = [tone for tone in tones if tone.max() / tone.min() < 1.25 and 0.6 < tone.mean() < 1.15]
    assert near, "another hue or another brightness than any of its colours"


@pytest.mark.parametrize("name", PAINTS)
def test_same_numbers_paint_the_same_floor_and_others_another(name: str) -> None:
    np.testing.assert_array_equal(painted(name, 5), painted(name, 5))
    assert np.abs(painted(name, 5) - painted(name, 6)).mean() > 0.01


def test_planks_are_long_along_one_axis_and_have_dark_joints() -> None:
    grey = painted("wood", 3).mean(0)
    along, across = np.abs(np.diff(grey, axis=1)).mean(), np.abs(np.diff(grey, axis=0)).mean()
    assert across > 2 * along
    rows = grey.mean(1)
    joints = np.flatnonzero(rows < 0.8 * np.median(rows))
    gaps = np.diff(joints)[np.diff(joints) > 3]
    assert len(gaps) >= 2
    assert 20 < gaps.min() <= gaps.max() < 50, "planks are 26 to 48 pixels wide"


def test_tiles_are_square_and_parted_by_grout_of_one_colour() -> None:
    found = painted("tile", 4)
    jumps = [np.abs(np.diff(found.mean(0), axis=axis)).mean(axis=1 - axis) for axis in (0, 1)]
    places = [set((np.flatnonzero(jump > 4 * np.median(jump)) // 4).tolist()) for jump in jumps]
    assert places[0]
    assert places[0] == places[1], "the grid is another across than along"


def test_cell_of_a_grid_has_one_number_of_its_own() -> None:
    i = np.floor(np.linspace(0, 3.999, 40))
    found = floors._table(np.random.default_rng(1), i, i * 0)
    assert len(np.unique(found)) == 4
    assert (found.reshape(4, 10) == found[::10, None]).all()
    assert 0 <= found.min() < found.max() < 1
    repeated = floors._table(np.random.default_rng(1), i + 64, i * 0 - 64)
    np.testing.assert_array_equal(repeated, found)


def test_drawn_floor_is_a_texture_of_a_kind_that_the_numbers_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Floats, Floats]] = []

    def noted(name: str) -> Paint:
        def paint(_rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
            seen.append((name, u, v))
            return np.zeros((3, *u.shape), np.float32)

        return paint

    assert [paint.__name__ for paint in floors.FLOORS] == ["wood", "wood", "tile", "carpet", "plain"]
    monkeypatch.setattr(floors, "FLOORS", tuple(noted(str(number)) for number in range(5)))
    for seed in range(25):
        assert floors.draw_floor(np.random.default_rng(seed)).shape == (3, TEXTURE, TEXTURE)
    assert {name for name, _, _ in seen} == {"0", "1", "2", "3", "4"}
    for _, u, v in seen:
        assert np.hypot(u[0, 0] - 1000, v[0, 0] - 1000) == pytest.approx(0, abs=1e-3)
        steps = [np.hypot(u[place] - u[0, 0], v[place] - v[0, 0]) for place in ((0, 100), (100, 0))]
        assert steps == pytest.approx([100, 100], rel=1e-4), "a texel is no photo pixel"
        turned = (u[0, 100] - u[0, 0]) * (v[100, 0] - v[0, 0]) - (v[0, 100] - v[0, 0]) * (u[100, 0] - u[0, 0])
        assert turned == pytest.approx(10_000, rel=1e-4), "the floor is seen in a mirror, or its axes are askew"
    turns = {round(float(u[0, 1] - u[0, 0]), 4) for _, u, _ in seen}
    assert len(turns) == len(seen), "two students' floors lie in the same direction"
