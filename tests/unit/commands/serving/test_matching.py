"""`shoepair check FOLDER`: the matching is the best one, and the shoes without a partner are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support import usage
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import cli, matching
from shoepair.runtime.errors import ShoepairError

FLOOR = -2.1972245773362196  # log odds of 0.1


Scores = dict[tuple[int, int], float]  # two shoes -> log odds


def matrix(scores: Scores, count: int) -> NDArray[np.float64]:
    """Return the symmetric matrix of log odds that `list_best_pairs` gets."""
    log_odds = np.full((count, count), np.nan)
    for pair, value in scores.items():
        log_odds[pair] = log_odds[pair[::-1]] = value
    return log_odds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and in it a folder of five shoes."""
    monkeypatch.chdir(tmp_path)
    usage.furnish(tmp_path)
    shoes = tmp_path / "shoes"
    shoes.mkdir()
    for pair, side in ((1, "left"), (1, "right"), (2, "left"), (2, "right"), (3, "left")):
        shutil.copy(usage.photo(pair, side), shoes)
    return shoes


def check(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *map(str, words)])
    if isinstance(result.exception, ShoepairError):
        return 1, str(result.exception)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("u052_3_left_w.png", "left"),
        ("Right shoe.jpg", "right"),
        ("brown-left-2.jpeg", "left"),
        ("IMG_1234.jpg", ""),
        ("bright.jpg", ""),
        ("left or right.jpg", ""),
        ("left.right", "left"),
    ],
)
def test_side_is_a_word_of_the_name(name: str, side: str) -> None:
    assert matching.parse_side(name) == side


def total(pairs: Iterable[tuple[int, int]], scores: Scores) -> float:
    return sum(max(scores[min(pair), max(pair)] - FLOOR, 0.0) for pair in pairs)


@settings(deadline=None)
@given(data=st.data(), lefts=st.integers(1, 4), rights=st.integers(1, 4))
def test_lefts_and_rights_are_matched_as_well_as_can_be(data: st.DataObject, lefts: int, rights: int) -> None:
    one, other = range(lefts), range(lefts, lefts + rights)
    scores = {(left, right): data.draw(st.floats(-9, 9)) for left in one for right in other}
    sides = ["left"] * lefts + ["right"] * rights
    best = matching.list_best_pairs(matrix(scores, lefts + rights), sides, FLOOR)
    short, long = sorted((one, other), key=len)
    ways = [list(zip(short, way, strict=True)) for way in permutations(long, len(short))]
    assert len({number for pair in best for number in pair}) == 2 * len(best)
    assert total(best, scores) == pytest.approx(max(total(way, scores) for way in ways))
    assert all(scores[pair] > FLOOR for pair in best), "not the left shoe first, or called different"


@settings(deadline=None)
@given(data=st.data(), count=st.integers(2, 6), lowest=st.sampled_from([FLOOR, None]))
def test_shoes_of_unknown_sides_are_matched_as_well_as_can_be(
    data: st.DataObject, count: int, lowest: float | None
) -> None:
    scores = {pair: data.draw(st.floats(-9, 9)) for pair in combinations(range(count), 2)}
    best = matching.list_best_pairs(matrix(scores, count), [""] * count, lowest)
    ways = [list(zip(way[::2], way[1::2], strict=False)) for way in permutations(range(count))]
    assert len({number for pair in best for number in pair}) == 2 * len(best)
    if lowest is None:
        assert len(best) == count // 2, "a shoe is left over"
        values = [sum(scores[min(pair), max(pair)] for pair in way) for way in ways]
        assert sum(scores[pair] for pair in best) == pytest.approx(max(values))
    else:
        assert total(best, scores) == pytest.approx(max(total(way, scores) for way in ways))


def test_three_alike_shoes_that_no_assignment_settles_are_matched_by_the_blossom() -> None:
    """Two triangles: assigned in a circle each shoe would get 2; a matching must join the triangles once."""
    scores = dict.fromkeys(combinations(range(6), 2), -5.0)
    scores |= {pair: 2.0 for triangle in ((0, 1, 2), (3, 4, 5)) for pair in combinations(triangle, 2)} | {(2, 3): 1.0}
    assert matching.list_best_pairs(matrix(scores, 6), [""] * 6) == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize("known", [True, False])
def test_two_odd_shoes_do_not_break_up_a_good_pair(known: bool) -> None:
    sides = ["left", "right", "left", "right"] if known else [""] * 4
    # Together 0 + 1 and 2 + 3 are less likely than 0 + 3 and 2 + 1; but 2 + 3 need not be put together.
    scores = {(0, 1): 3.0, (2, 3): -20.0, (0, 3): -5.0, (1, 2): -5.0}
    assert matching.list_best_pairs(matrix(scores, 4), sides, FLOOR) == [(0, 1)]


def test_each_two_shoes_are_scored_in_the_orders_that_their_sides_allow() -> None:
    sides = ["left", "right", "", ""]
    wanted = matching.wanted_orders(sides, is_symmetric=False)
    assert list(zip(*np.nonzero(wanted), strict=True)) == [(0, 1), (0, 2), (0, 3), (2, 1), (2, 3), (3, 1), (3, 2)]
    once = matching.wanted_orders(sides, is_symmetric=True)
    assert list(zip(*np.nonzero(wanted & ~once), strict=True)) == [(3, 2)]
    logits = np.where(wanted, np.arange(16.0).reshape(4, 4), np.nan)
    mean = matching.mean_over_orders(logits)
    assert mean[2, 3] == mean[3, 2] == (11 + 14) / 2
    assert mean[0, 1] == mean[1, 0] == 1
    assert np.isnan(mean[0, 0])


def test_shoes_known_to_be_of_one_side_are_never_put_together(folder: Path) -> None:
    shutil.copy(usage.photo(3, "right"), folder / "IMG_1.jpg")
    result = matching.match_folder(folder, usage.judge_of(usage.rule(different_below=0.0)))
    assert len(result.pairs) == 3
    assert not result.sides_known
    sides = [{matching.parse_side(match.left), matching.parse_side(match.right)} for match in result.pairs]
    assert all(len(pair) == 2 for pair in sides)
    assert all(matching.parse_side(match.left) != "right" for match in result.pairs)


def test_every_photo_is_reported_once(folder: Path) -> None:
    (folder / "notes.txt").write_text("no photo")
    (folder / ".DS_Store").write_text("")
    result = matching.match_folder(folder, usage.judge_of(usage.rule(different_below=0.0)))
    names = [name for match in result.pairs for name in (match.left, match.right)]
    names += [*result.unmatched, *result.unreadable]
    assert sorted(names) == sorted(path.name for path in folder.iterdir() if path.name != ".DS_Store")
    assert len(result.pairs) == 2
    assert result.sides_known
    assert list(result.unreadable) == ["notes.txt"]
    assert not result.is_sure


def test_folder_is_printed_line_by_line(folder: Path) -> None:
    usage.decide(temperature=1e-6, different_below=0.0)
    (folder / "notes.txt").write_text("no photo")
    status, output = check(folder)
    lines = output.splitlines()
    assert status == 3
    assert lines[2] == "2 pairs found"
    assert lines[3].startswith("unmatched: u001_")
    assert lines[4] == "unreadable: notes.txt: cannot be decoded (not a JPEG, HEIC, PNG, WebP or AVIF image)"
    (folder / "notes.txt").unlink()
    status, output = check(folder, "--json")
    document = json.loads(output)
    assert status == 0
    assert document["sides_known"] is True
    assert len(document["pairs"]) == 2
    assert {"left", "right", "verdict", "sure", "score", "reasons", "advice", "learning"} == document["pairs"][
        0
    ].keys()


def test_nothing_is_a_pair_where_all_are_different(folder: Path) -> None:
    result = matching.match_folder(folder, usage.judge_of(usage.rule(different_below=0.999999, same_above=1.0)))
    assert (result.pairs, len(result.unmatched)) == ((), 5)
    assert next(iter(cli.iter_matching_lines(result))) == "0 pairs found"


def test_copy_and_photo_without_a_shoe_are_left_out_by_name(folder: Path) -> None:
    first = usage.photo(1, "left").name
    shutil.copy(folder / first, folder / "z copy.jpg")
    judge = usage.judge_of(usage.rule(different_below=0.0))

    mug = judge.prepare_photo(folder / usage.photo(2, "right").name)
    detector = usage.FakeDetector(lambda pixels: ("several_shoes",) if (pixels == mug.pixels).all() else ())
    result = matching.match_folder(folder, replace(judge, detector=detector))
    assert result.left_out == {
        usage.photo(2, "right").name: "shows more than one shoe",
        "z copy.jpg": f"is the same photo as {first}",
    }
    assert not result.is_sure
    assert len(result.pairs) == 1
    assert len(result.unmatched) == 2


def test_picture_shows_the_pairs(folder: Path) -> None:
    usage.decide(temperature=1e-6, different_below=0.0)
    check(folder, "--picture", "pairs.png")
    with Image.open("pairs.png") as picture:
        assert picture.width > picture.height > 32
    assert not list(Path().glob("*.part"))


def test_empty_folder_is_refused(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    status, message = check(folder)
    assert status == 1
    assert "0 files, expected 2 to 200 photos of one shoe each" in message
