"""Floor textures: colours, patterns, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shoepair.synthetic import floors
from shoepair.synthetic.primitives import TEXTURE_EDGE, Colour, Floats

DrawTexture = Callable[[np.random.Generator, Floats, Floats], Floats]
SIDE = np.arange(200, dtype=np.float32)
U, V = np.broadcast_to(1000 + SIDE, (200, 200)), np.broadcast_to(1000 + SIDE[:, None], (200, 200))
TEXTURES: dict[str, tuple[DrawTexture, tuple[Colour, ...]]] = {
    "wood": (floors.draw_wood_texture, floors.WOOD_COLOURS),
    "tile": (floors.draw_tile_texture, floors.TILE_COLOURS),
    "carpet": (floors.draw_carpet_texture, floors.CARPET_COLOURS),
    "plain": (floors.draw_plain_texture, floors.PLAIN_COLOURS),
}


def draw_texture(name: str, seed: int) -> Floats:
    return TEXTURES[name][0](np.random.default_rng(seed), U, V)


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("seed", [1, 2])
def test_floor_has_one_of_its_colours_lighter_and_darker(name: str, seed: int) -> None:
    texture = draw_texture(name, seed)
    assert texture.shape == (3, 200, 200)
    assert 0 < texture.min() < texture.max() < 1.2
    median = np.median(texture, axis=(1, 2))
    tones = [median / np.array(colour) for colour in TEXTURES[name][1]]
    near = [tone for tone in tones if tone.max() / tone.min() < 1.25 and 0.6 < tone.mean() < 1.15]
    assert near, "another hue or another brightness than any of its colours"


@pytest.mark.parametrize("name", TEXTURES)
def test_same_seed_draws_the_same_floor_and_another_seed_another(name: str) -> None:
    np.testing.assert_array_equal(draw_texture(name, 5), draw_texture(name, 5))
    assert np.abs(draw_texture(name, 5) - draw_texture(name, 6)).mean() > 0.01


def test_planks_are_long_along_one_axis_and_have_dark_joints() -> None:
    grey = draw_texture("wood", 3).mean(0)
    along, across = np.abs(np.diff(grey, axis=1)).mean(), np.abs(np.diff(grey, axis=0)).mean()
    assert across > 2 * along
    rows = grey.mean(1)
    joints = np.flatnonzero(rows < 0.8 * np.median(rows))
    gaps = np.diff(joints)[np.diff(joints) > 3]
    assert len(gaps) >= 2
    assert 20 < gaps.min() <= gaps.max() < 50, "planks are 26 to 48 pixels wide"


def test_tiles_are_square_and_parted_by_grout_of_one_colour() -> None:
    grey = draw_texture("tile", 4).mean(0)
    jumps = [np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis) for axis in (0, 1)]
    joints = [set((np.flatnonzero(jump > 4 * np.median(jump)) // 4).tolist()) for jump in jumps]
    assert joints[0]
    assert joints[0] == joints[1], "the grid differs across and along"


def test_cell_of_a_grid_has_one_number() -> None:
    i = np.floor(np.linspace(0, 3.999, 40))
    numbers = floors._random_per_cell(np.random.default_rng(1), i, i * 0)
    assert len(np.unique(numbers)) == 4
    assert (numbers.reshape(4, 10) == numbers[::10, None]).all()
    assert 0 <= numbers.min() < numbers.max() < 1
    repeated = floors._random_per_cell(np.random.default_rng(1), i + 64, i * 0 - 64)
    np.testing.assert_array_equal(repeated, numbers)


def test_floor_is_a_texture_whose_function_the_seed_selects(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Floats, Floats]] = []

    def recorder(name: str) -> DrawTexture:
        def record(_rng: np.random.Generator, u: Floats, v: Floats) -> Floats:
            calls.append((name, u, v))
            return np.zeros((3, *u.shape), np.float32)

        return record

    names = ["wood", "wood", "tile", "carpet", "plain"]
    assert list(floors.TEXTURE_FUNCTIONS) == [TEXTURES[name][0] for name in names]
    monkeypatch.setattr(floors, "TEXTURE_FUNCTIONS", tuple(recorder(str(number)) for number in range(5)))
    for seed in range(25):
        assert floors.draw_random_floor_image(np.random.default_rng(seed)).shape == (3, TEXTURE_EDGE, TEXTURE_EDGE)
    assert {name for name, _, _ in calls} == {"0", "1", "2", "3", "4"}
    for _, u, v in calls:
        assert np.hypot(u[0, 0] - 1000, v[0, 0] - 1000) == pytest.approx(0, abs=1e-3)
        steps = [np.hypot(u[texel] - u[0, 0], v[texel] - v[0, 0]) for texel in ((0, 100), (100, 0))]
        assert steps == pytest.approx([100, 100], rel=1e-4), "a texel is no photo pixel"
        turned = (u[0, 100] - u[0, 0]) * (v[100, 0] - v[0, 0]) - (v[0, 100] - v[0, 0]) * (u[100, 0] - u[0, 0])
        assert turned == pytest.approx(10_000, rel=1e-4), "the floor is seen in a mirror, or its axes are askew"
    turns = {round(float(u[0, 1] - u[0, 0]), 4) for _, u, _ in calls}
    assert len(turns) == len(calls), "two floors have the same rotation"
