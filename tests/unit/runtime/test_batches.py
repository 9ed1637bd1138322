"""data/batches.yaml: valid contents, and messages for invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import write

from shoepair.runtime import paths
from shoepair.runtime.batches import SyntheticClass, load_batch_lists, load_synthetic_class
from shoepair.runtime.errors import ShoepairError

CLASSES = "synthetic_classes:\n  drawn: {students: 4, test_students: 2, seed: 1}\n"


@pytest.fixture(autouse=True)
def _change_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_batches_keep_their_order_and_synthetic_classes_their_seed() -> None:
    write(paths.BATCH_LIST, "batches: [winter, drawn, a-1_b]\n" + CLASSES)
    listed = load_batch_lists()
    assert listed.batches == ["winter", "drawn", "a-1_b"]
    assert listed.synthetic_classes == {"drawn": SyntheticClass(students=4, test_students=2, seed=1)}
    assert load_synthetic_class("drawn").students == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("batches: [Winter]\nsynthetic_classes: {}\n", "batches.0: 'Winter', expected a name of small letters"),
        ("batches: [synthetic]\nsynthetic_classes: {}\n", "expected another name: `synthetic` is reserved for"),
        ("batches: [a, b, a]\nsynthetic_classes: {}\n", "expected each name once; repeated: a"),
        ("batches: [a]\n", "synthetic_classes: missing"),
        ("batches: [a]\nsynthetic_classes: {}\nmore: 1\n", "more: not a key of this file"),
        (
            "batches: [a]\nsynthetic_classes:\n  a: {students: 0, test_students: 1, seed: 1}\n",
            "expected greater than or equal to 1",
        ),
    ],
)
def test_error_names_its_key(text: str, problem: str) -> None:
    write(paths.BATCH_LIST, text)
    with pytest.raises(ShoepairError) as caught:
        load_batch_lists()
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{paths.BATCH_LIST}: 1 problem\n")


def test_undeclared_synthetic_class_is_refused_with_the_declared_ones() -> None:
    write(paths.BATCH_LIST, "batches: [drawn]\n" + CLASSES)
    with pytest.raises(
        ShoepairError, match=r"no synthetic class 'other', declared: drawn\ndeclare it under `synthetic_classes`"
    ):
        load_synthetic_class("other")
