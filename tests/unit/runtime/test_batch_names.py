"""The name of a batch follows from that of its folder or archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime.batch_names import derive_batch_name
from shoepair.runtime.errors import ShoepairError


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
