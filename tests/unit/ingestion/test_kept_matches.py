"""What was compared is not compared again, and the result is that of a search among all."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoepair.ingestion import hash_search, kept_matches, near_duplicates, phash

FRAMES = len(phash.CROP_FRAMES) + 1
BITS = 20
BATCHES = ("a", "b", "c", "d")


def draw_stats(seed: int) -> dict[str, pd.DataFrame]:
    """Return image stats of four batches; some photos are copies, crops or mirror images of others."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 256, (24, FRAMES, 32), np.uint8)
    hashes[4] = hashes[17] = hashes[11]  # the same photo, three times
    hashes[3, 5] = hashes[20, 0]  # a crop of one is the other
    hashes[22, 8] = hashes[9, -1] ^ np.r_[np.full(9, 129, np.uint8), np.zeros(23, np.uint8)]  # 18 bits from the mirror
    hashes[2, -1] = hashes[2, 0]  # symmetric
    texts = [base64.b64encode(photo.tobytes()).decode() for photo in hashes]
    rows = pd.DataFrame({"student": "u1", "path": [f"{number}.png" for number in range(24)], "phashes": texts})
    return {batch: rows[number * 6 : number * 6 + 6] for number, batch in enumerate(BATCHES)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes=st.lists(st.sets(st.sampled_from(BATCHES), min_size=1), min_size=1, max_size=4), seed=st.integers(0))
def test_any_order_of_arrival_and_removal_gives_the_rows_of_a_clean_search(
    classes: list[set[str]], seed: int, tmp_path: Path
) -> None:
    rng, stats, path = np.random.default_rng(seed), draw_stats(1), tmp_path / "kept"
    path.unlink(missing_ok=True)
    for batches in classes:
        order = rng.permutation(sorted(batches))
        present = [(str(batch), stats[batch].iloc[rng.integers(3) :]) for batch in order]  # without some photos
        rows, matches = near_duplicates.find_near_duplicate_rows(present, BITS, kept_matches.read_matches(path, BITS))
        clean, all_matches = near_duplicates.find_near_duplicate_rows(present, BITS)
        assert rows.equals(clean)
        kept_matches.write_matches(path, matches, BITS)
        first = path.read_bytes()
        kept_matches.write_matches(path, all_matches, BITS)
        assert path.read_bytes() == first, "what is kept depends on the way"


def test_copies_and_crops_are_matched_between_old_and_new_photos() -> None:
    stats = draw_stats(1)
    rows, _ = near_duplicates.find_near_duplicate_rows(stats.items(), BITS)
    found = set(zip(rows["path"], rows["other_path"], rows["hash_distance"], strict=True))
    once = {(one, other, bits) for one, other, bits in found if int(one[:-4]) < int(other[:-4])}
    three = {("4.png", "11.png", 0), ("4.png", "17.png", 0), ("11.png", "17.png", 0)}
    assert once == three | {("3.png", "20.png", 0), ("9.png", "22.png", 18)}


def test_only_new_photos_are_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = draw_stats(1)
    _, kept = near_duplicates.find_near_duplicate_rows([("a", stats["a"]), ("b", stats["b"])], BITS)
    searched = []
    search = hash_search.find_similar_hash_rows

    def watched(hashes: np.ndarray, queries: Sequence[np.ndarray], rows: np.ndarray, bits: int) -> pd.DataFrame:
        searched.append((len(hashes), len(rows)))
        return search(hashes, queries, rows, bits)

    monkeypatch.setattr(hash_search, "find_similar_hash_rows", watched)
    near_duplicates.find_near_duplicate_rows([("c", stats["c"]), ("b", stats["b"])], BITS, kept)
    # Of 5 new photos (one is known) the crops among all 11, upright and mirrored; those of the others among the new.
    assert searched == [(22, 5), (10, 6)]  # codes, and photos whose crops are looked up
    searched.clear()
    near_duplicates.find_near_duplicate_rows([("b", stats["b"][1:]), ("a", stats["a"])], BITS, kept)
    assert searched == [], "a withdrawn student, and another order of the batches"


def test_one_new_photo_is_matched_with_a_large_class_in_both_directions() -> None:
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 256, (60, FRAMES, 32), np.uint8)
    hashes[59, 7] = hashes[2, -1]  # a crop of the new photo is the mirror image of an old one
    hashes[31, 4] = hashes[59, 0]  # a crop of an old photo is the new one
    digests = kept_matches.digest_hashes([hashes])
    kept = kept_matches.match_hashes(kept_matches.NOTHING, digests[:59], [hashes[:59]], BITS)
    assert not len(kept.pairs)
    matches = kept_matches.match_hashes(kept, digests, [hashes], BITS)
    number = {int(new): old for old, new in enumerate(np.searchsorted(matches.digests, digests))}
    found = {frozenset((number[one], number[other])): bits for one, other, bits in matches.pairs.tolist()}
    assert found == {frozenset((2, 59)): 0, frozenset((31, 59)): 0}
    clean = kept_matches.match_hashes(kept_matches.NOTHING, digests, [hashes[:20], hashes[20:20], hashes[20:]], BITS)
    assert np.array_equal(matches.pairs, clean.pairs)


@pytest.mark.parametrize("damage", ["cut", "flipped", "version", "distance", "frames"])
def test_what_cannot_be_used_is_told_in_a_line_and_searched_again(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    assert kept_matches.read_matches(path, BITS) is kept_matches.NOTHING
    assert capsys.readouterr().out == "", "missing is no damage"
    _, matches = near_duplicates.find_near_duplicate_rows(draw_stats(1).items(), BITS)
    kept_matches.write_matches(path, matches, BITS)
    again = kept_matches.read_matches(path, BITS)
    assert np.array_equal(again.digests, matches.digests)
    assert np.array_equal(again.pairs, matches.pairs)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-7])
    if damage == "flipped":
        content[200] ^= 1
        path.write_bytes(content)
    if damage == "version":
        monkeypatch.setattr(kept_matches, "FORMAT_VERSION", 0)
    if damage == "frames":
        monkeypatch.setattr(phash, "CROP_FRAMES", phash.CROP_FRAMES[1:])
    assert kept_matches.read_matches(path, BITS + (damage == "distance")) is kept_matches.NOTHING
    assert capsys.readouterr().out.count("\n") == 1


def test_kept_file_names_nobody(tmp_path: Path) -> None:
    _, matches = near_duplicates.find_near_duplicate_rows(draw_stats(1).items(), BITS)
    kept_matches.write_matches(tmp_path / "kept", matches, BITS)
    content = (tmp_path / "kept").read_bytes()
    assert b"u1" not in content
    assert b".png" not in content
