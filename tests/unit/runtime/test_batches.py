"""data/batches.yaml: what it may hold, and how a mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import write

from shoepair.runtime import paths
from shoepair.runtime.batches import Sample, load_batches, load_sample
from shoepair.runtime.errors import ShoepairError

SAMPLE = "samples:\n  drawn: {students: 4, test_students: 2, seed: 1}\n"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_batches_keep_their_order_and_samples_their_seed() -> None:
    write(paths.BATCHES, "batches: [winter, drawn, a-1_b]\n" + SAMPLE)
    listed = load_batches()
    assert listed.batches == ["winter", "drawn", "a-1_b"]
    assert listed.samples == {"drawn": Sample(students=4, test_students=2, seed=1)}
    assert load_sample("drawn").students == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("batches: [Winter]\nsamples: {}\n", "batches.0: 'Winter', expected a name of small letters"),
        ("batches: [synthetic]\nsamples: {}\n", "expected another name: `synthetic` are the drawn students"),
        ("batches: [a, b, a]\nsamples: {}\n", "expected a list that names nothing twice: a"),
        ("batches: [a]\n", "samples: missing"),
        ("batches: [a]\nsamples: {}\nmore: 1\n", "more: not a key of this file"),
        (
            "batches: [a]\nsamples:\n  a: {students: 0, test_students: 1, seed: 1}\n",
            "expected greater than or equal to 1",
        ),
    ],
)
def test_mistake_is_named_with_its_place(text: str, problem: str) -> None:
    write(paths.BATCHES, text)
    with pytest.raises(ShoepairError) as caught:
        load_batches()
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{paths.BATCHES}: 1 problem\n")


def test_sample_class_that_is_not_declared_is_refused_with_those_that_are() -> None:
    write(paths.BATCHES, "batches: [drawn]\n" + SAMPLE)
    with pytest.raises(ShoepairError, match=r"no sample class 'other', only drawn\ndeclare it under `samples`"):
        load_sample("other")
