"""data/batches.yaml: valid contents, and messages for invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.settings import write

from shoepair.runtime import paths
from shoepair.runtime.batches import SyntheticClass, derive_batch_name, load_batch_lists, load_synthetic_class
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


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("winter", "winter"),
        ("/x/My Photos/Winter 2025/", "winter-2025"),
        ("../late.zip", "late"),
        ("Klasse_3b (1).TAR.GZ", "klasse_3b-1"),
        ("Schüler Größe.tgz", "schuler-grosse"),
        ("Schu\u0308ler", "schuler"),  # as macOS writes it
        ("１２", "12"),
        ("v1.2", "v1-2"),
        ("-- x --", "x"),
        ('it\'s $HOME "quoted"\n', "it-s-home-quoted"),
        ("a" * 62 + " b", "a" * 62),
        ("зима 2024", "2024"),
    ],
)
def test_name_of_a_batch_is_made_of_its_source(source: str, name: str) -> None:
    assert derive_batch_name(source) == derive_batch_name(Path(source)) == name


def test_folder_with_the_suffix_of_an_archive_keeps_it_and_here_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos.zip"
    folder.mkdir()
    assert derive_batch_name(folder) == "photos-zip"
    monkeypatch.chdir(folder)
    assert derive_batch_name(".") == "photos-zip"


@pytest.mark.parametrize("source", ["зима", "___", "写真.zip", "/"])
def test_source_without_letters_and_digits_gives_no_name(source: str) -> None:
    with pytest.raises(ShoepairError, match=r"no letters a-z and no digits.*\ngive one: --name winter"):
        derive_batch_name(source)
