"""Every leak that is planted is caught, by the probe that looks there; pairs that are sound pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import pair_dataset, pairs
from shoepair.data.pair_dataset import PairData
from shoepair.evaluation import leakage
from shoepair.runtime.errors import ShoepairError

STUDENTS, EDGE = 40, 32
RNG = np.random.default_rng(4)
Leak = Callable[[Tensor, Tensor], Tensor]  # (B, 3, 2S, S) images, (B,) labels to images


def photographed() -> NDArray[np.uint8]:
    """(40, 3, 2, 32, 32, 3): a colour for each pair of shoes, left shoes bright on the left side, right ones right."""
    colours = RNG.integers(30, 160, (STUDENTS, 3, 1, 1, 1, 3))
    noise = RNG.integers(0, 40, (STUDENTS, 3, 2, EDGE, EDGE, 3))
    data = np.broadcast_to(colours, noise.shape) + noise
    data[:, :, 0, :, : EDGE // 2] += 50
    data[:, :, 1, :, EDGE // 2 :] += 50
    return data.astype(np.uint8)


DATA = photographed()


def rows() -> pd.DataFrame:
    """The standard pairs of all students, in the order of `pair_dataset.from_arrays`."""
    students = pd.DataFrame({"batch": "b", "student": [f"u{number:03}" for number in range(STUDENTS)]})
    whole = pairs.build(students.assign(row=range(STUDENTS), split="train"))
    return whole[whole["standard"]]


class Leaking(PairData):
    """Pairs whose images tell the label."""

    leak: Leak

    def batch(self, which: Tensor) -> tuple[Tensor, Tensor]:
        images, labels = super().batch(which)
        return type(self).leak(images.clone(), labels), labels


def swapped(images: Tensor, labels: Tensor) -> Tensor:
    images[labels == 0] = images[labels == 0].roll(EDGE, dims=2)
    return images


def darker(images: Tensor, labels: Tensor) -> Tensor:
    images[labels == 0] -= 0.2
    return images


def framed(images: Tensor, labels: Tensor) -> Tensor:
    images[labels == 0, :, :2] = 0.5
    return images


@pytest.mark.parametrize(("leak", "probe"), [(swapped, "order"), (darker, "brightness"), (framed, "border")])
def test_leak_in_the_images_is_caught(leak: Leak, probe: str) -> None:
    sound = pair_dataset.from_arrays(DATA)
    kind = type("Leaking", (Leaking,), {"leak": staticmethod(leak)})
    found = leakage.audit(rows(), leakage.pictures(kind(**vars(sound))), 200, 1)
    assert found[probe]["leaks"]
    assert found[probe]["balanced"] > 0.8
    with pytest.raises(ShoepairError, match=f"{probe}: .* balanced accuracy .* from {leakage.SEEN[probe][:20]}"):
        leakage.refuse_leaks(found)


def test_sound_pairs_pass_every_probe_exactly() -> None:
    found = leakage.audit(rows(), leakage.pictures(pair_dataset.from_arrays(DATA)), 200, 1)
    assert {name: got["balanced"] for name, got in found.items()} == dict.fromkeys(leakage.PROBES, 0.5)
    leakage.refuse_leaks(found)


def photo_table(lengths: NDArray[np.int64]) -> pd.DataFrame:
    """`Photos` rows as far as the probe looks at them; `lengths` (40, 3, 2) bytes."""
    entries = [
        {"student": f"u{number:03}", "pair": pair + 1, "side": side, "bytes": lengths[number, pair, place]}
        for number in range(STUDENTS)
        for pair in range(3)
        for place, side in enumerate(("left", "right"))
    ]
    return pd.DataFrame(entries).assign(path="a.jpg")


def test_different_pairs_chosen_by_the_length_of_their_files_are_caught() -> None:
    lengths = RNG.integers(1000, 9000, (STUDENTS, 3, 2))
    table = photo_table(lengths)
    sound = leakage.audit(rows(), {"file": leakage.files(rows(), {"b": table})}, 200, 1)
    assert not sound["file"]["leaks"]

    chosen = rows()
    right = chosen["right"].to_numpy().copy()
    for place, (student, left, same) in enumerate(zip(chosen["row"], chosen["left"], chosen["same"], strict=True)):
        if not same:  # the longest of the other right shoes' files
            others = np.where(np.arange(1, 4) == left, 0, lengths[student, :, 1])
            right[place] = 1 + int(others.argmax())
    chosen = chosen.assign(right=right)
    found = leakage.audit(chosen, {"file": leakage.files(chosen, {"b": table})}, 200, 1)
    assert found["file"]["leaks"]


def test_extension_that_tells_is_caught() -> None:
    table = photo_table(np.full((STUDENTS, 3, 2), 5000))
    table.loc[(table["pair"] == 3) & (table["side"] == "right"), "path"] = "a.png"
    chosen = rows()
    chosen.loc[chosen["same"] == 0, "right"] = np.where(chosen.loc[chosen["same"] == 0, "left"] == 3, 1, 3)
    assert leakage.audit(chosen, {"file": leakage.files(chosen, {"b": table})}, 200, 1)["file"]["leaks"]


def test_few_students_are_not_audited() -> None:
    few = rows()
    few = few[few["student"] < f"u{leakage.FEWEST - 1:03}"]
    assert leakage.audit(few, {"file": np.zeros((len(few), 2))}, 200, 1) == {}
