"""Each planted leak is caught by its probe; pairs without leakage pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from shoepair.data import pairs
from shoepair.data.photo_loading import PairPhotos
from shoepair.data.store import scale_to_centred_float
from shoepair.evaluation import leakage
from shoepair.runtime.errors import ShoepairError

STUDENTS, EDGE = 40, 32
RNG = np.random.default_rng(4)
Shoes = NDArray[np.float32]
Leak = Callable[[Shoes], Shoes]  # (B, 2, S, S, 3) shoes of different pairs


def make_photos() -> NDArray[np.uint8]:
    """Return (40, 3, 2, 32, 32, 3): a colour per pair, left shoes bright on the left side, right ones on the right."""
    colours = RNG.integers(30, 160, (STUDENTS, 3, 1, 1, 1, 3))
    noise = RNG.integers(0, 40, (STUDENTS, 3, 2, EDGE, EDGE, 3))
    data = np.broadcast_to(colours, noise.shape) + noise
    data[:, :, 0, :, : EDGE // 2] += 50
    data[:, :, 1, :, EDGE // 2 :] += 50
    return data.astype(np.uint8)


DATA = make_photos()


def rows() -> pd.DataFrame:
    """Return the standard pairs of all students."""
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(STUDENTS)]})
    all_rows = pairs.build_pair_rows(students.assign(row=range(STUDENTS), split="train"))
    return all_rows[all_rows["standard"]]


def make_pairs(leak: Leak | None = None) -> PairPhotos:
    """Return the standard pairs of all students; `leak` changes the shoes of the different ones."""
    pair_rows = rows()
    index = np.stack([pair_rows["row"], pair_rows["left"] - 1, pair_rows["right"] - 1], axis=1)
    is_different = (pair_rows["same"] == 0).to_numpy()

    class LeakingPairs(PairPhotos):
        """Pairs with images that reveal the label."""

        def read_shoes(self, first: int, end: int) -> Shoes:
            student, left, right = self.pair_index[first:end].T
            shoes = scale_to_centred_float(np.stack([DATA[student, left, 0], DATA[student, right, 1]], axis=1))
            if leak:
                shoes[is_different[first:end]] = leak(shoes[is_different[first:end]])
            return shoes

    return LeakingPairs(pair_rows, index, {})


def swapped(shoes: Shoes) -> Shoes:
    return shoes[:, ::-1]


def darker(shoes: Shoes) -> Shoes:
    return shoes - np.float32(0.2)


def framed(shoes: Shoes) -> Shoes:
    shoes[:, :, :2] = 0.5
    return shoes


@pytest.mark.parametrize(("leak", "probe"), [(swapped, "order"), (darker, "brightness"), (framed, "border")])
def test_leak_in_the_images_is_caught(leak: Leak, probe: str) -> None:
    features = leakage.photo_features_by_probe(make_pairs(leak))
    results = leakage.cross_validate_probes_by_name(rows(), features, 200, 1)
    assert results[probe]["leaks"]
    assert results[probe]["balanced"] > 0.8
    message = f"{probe}: .* balanced accuracy .* from {leakage.PROBE_INPUTS[probe][:20]}"
    with pytest.raises(ShoepairError, match=message):
        leakage.raise_if_leaking(results)


def test_pairs_without_leakage_pass_every_probe_exactly() -> None:
    features = leakage.photo_features_by_probe(make_pairs())
    results = leakage.cross_validate_probes_by_name(rows(), features, 200, 1)
    assert {name: result["balanced"] for name, result in results.items()} == dict.fromkeys(leakage.PHOTO_PROBES, 0.5)
    leakage.raise_if_leaking(results)


def photo_table(lengths: NDArray[np.int64]) -> pd.DataFrame:
    """Return the columns of `AcceptedPhotos` that the probe uses; `lengths` (40, 3, 2) bytes."""
    entries = [
        {"student": f"u{number:03}", "pair": pair + 1, "side": side, "bytes": lengths[number, pair, column]}
        for number in range(STUDENTS)
        for pair in range(3)
        for column, side in enumerate(("left", "right"))
    ]
    return pd.DataFrame(entries).assign(path="a.jpg")


def file_probe_leaks(pair_rows: pd.DataFrame, table: pd.DataFrame) -> bool:
    features = {"file": leakage.file_length_and_type_features(pair_rows, {"b": table})}
    return bool(leakage.cross_validate_probes_by_name(pair_rows, features, 200, 1)["file"]["leaks"])


def test_different_pairs_chosen_by_the_length_of_their_files_are_caught() -> None:
    lengths = RNG.integers(1000, 9000, (STUDENTS, 3, 2))
    table = photo_table(lengths)
    assert not file_probe_leaks(rows(), table)

    pair_rows = rows()
    right = pair_rows["right"].to_numpy().copy()
    columns = (pair_rows[name] for name in ("row", "left", "same"))
    for index, (student, left, same) in enumerate(zip(*columns, strict=True)):
        if not same:  # the longest of the other right shoes' files
            others = np.where(np.arange(1, 4) == left, 0, lengths[student, :, 1])
            right[index] = 1 + int(others.argmax())
    assert file_probe_leaks(pair_rows.assign(right=right), table)


def test_extension_that_reveals_the_label_is_caught() -> None:
    table = photo_table(np.full((STUDENTS, 3, 2), 5000))
    table.loc[(table["pair"] == 3) & (table["side"] == "right"), "path"] = "a.png"
    pair_rows = rows()
    different = pair_rows["same"] == 0
    pair_rows.loc[different, "right"] = np.where(pair_rows.loc[different, "left"] == 3, 1, 3)
    assert file_probe_leaks(pair_rows, table)


def test_few_students_are_not_audited() -> None:
    few = rows()
    few = few[few["student"] < f"u{leakage.MIN_STUDENTS - 1:03}"]
    assert leakage.cross_validate_probes_by_name(few, {"file": np.zeros((len(few), 2))}, 200, 1) == {}


def test_large_class_is_audited_on_a_stated_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "MAX_STUDENTS", 15)
    all_rows, part = rows(), leakage.sample_pair_rows(rows())
    assert part["student"].nunique() == 15
    without = all_rows[all_rows["student"] != "u001"]
    assert len(set(part["student"]) ^ set(leakage.sample_pair_rows(without)["student"])) <= 2, "others hardly move"
    results = leakage.cross_validate_probes_by_name(part, {"file": np.ones((len(part), 2))}, 200, 1, STUDENTS)
    assert (results["file"]["students"], results["file"]["of_students"]) == (15, STUDENTS)
    whole = leakage.cross_validate_probes_by_name(all_rows, {"file": np.ones((len(all_rows), 2))}, 200, 1, STUDENTS)
    assert "students" not in whole["file"]
