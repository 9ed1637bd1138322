"""`shoepair check FOLDER`: the matching is the best one, and the shoes without a partner are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from itertools import combinations, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import usage
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import cli, matching
from shoepair.commands.serving.predictor import PairPredictor
from shoepair.evaluation.thresholds import DecisionRule
from shoepair.ingestion.config import ValidateConfig
from shoepair.runtime.errors import ShoepairError

RULE = usage.rule(same_above=0.9, different_below=0.1)
FLOOR = -2.1972245773362196  # log odds of 0.1


def make_predictor(rule: DecisionRule) -> PairPredictor:
    return PairPredictor(rule, None, 32, ValidateConfig)  # type: ignore[arg-type]  # model and thresholds are not used


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


def total(pairs: Iterable[tuple[str, str]], pair_logits: matching.PairLogits) -> float:
    return sum(max(pair_logits[pair] - FLOOR, 0.0) for pair in pairs)


@settings(deadline=None)
@given(data=st.data(), lefts=st.integers(1, 4), rights=st.integers(1, 4))
def test_lefts_and_rights_are_matched_as_well_as_can_be(data: st.DataObject, lefts: int, rights: int) -> None:
    one, other = [f"left {n}" for n in range(lefts)], [f"right {n}" for n in range(rights)]
    pair_logits = {(left, right): data.draw(st.floats(-9, 9)) for left in one for right in other}
    sides = {name: name.split()[0] for name in one + other}
    best = matching.list_best_pairs(pair_logits, sides, make_predictor(RULE))
    short, long = sorted((one, other), key=len)
    ways = [
        [pair if pair in pair_logits else pair[::-1] for pair in zip(short, way, strict=True)]
        for way in permutations(long, len(short))
    ]
    assert len({name for pair in best for name in pair}) == 2 * len(best)
    assert total(best, pair_logits) == pytest.approx(max(total(way, pair_logits) for way in ways))
    assert all(pair_logits[pair] > FLOOR for pair in best)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(2, 6))
def test_shoes_of_unknown_sides_are_matched_as_well_as_can_be(data: st.DataObject, count: int) -> None:
    names = [f"shoe {n}" for n in range(count)]
    pair_logits = {(a, b): data.draw(st.floats(-9, 9)) for a, b in combinations(names, 2)}
    best = matching.list_best_pairs(pair_logits, dict.fromkeys(names, ""), make_predictor(RULE))
    ways = [zip(way[::2], way[1::2], strict=False) for way in permutations(names)]
    highest = max(total([(min(pair), max(pair)) for pair in way], pair_logits) for way in ways)
    assert len({name for pair in best for name in pair}) == 2 * len(best)
    assert total(best, pair_logits) == pytest.approx(highest)


@pytest.mark.parametrize("known", [True, False])
def test_two_odd_shoes_do_not_break_up_a_good_pair(known: bool) -> None:
    sides = {"a": "left", "A": "right", "b": "left", "C": "right"} if known else dict.fromkeys("aAbC", "")
    # Together a + A and b + C are less likely than a + C and b + A; but b + C need not be put together.
    pair_logits = {("a", "A"): 3.0, ("b", "C"): -20.0, ("a", "C"): -5.0, ("b", "A"): -5.0}
    assert matching.list_best_pairs(pair_logits, sides, make_predictor(RULE)) == [("a", "A")]


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
    assert {"left", "right", "verdict", "score", "reasons", "advice"} == document["pairs"][0].keys()


def test_nothing_is_a_pair_where_all_are_different(folder: Path) -> None:
    result = matching.match_folder(folder, usage.judge_of(usage.rule(different_below=0.999999, same_above=1.0)))
    assert (result.pairs, len(result.unmatched)) == ((), 5)
    assert next(iter(cli.iter_matching_lines(result))) == "0 pairs found"


def test_empty_folder_is_refused(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    status, message = check(folder)
    assert status == 1
    assert "0 files, expected 2 to 200 photos of one shoe each" in message
