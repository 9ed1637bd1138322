"""The metadata for programs: what they point at is there, and named as in the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.reports import croissant
from shoepair.reports.format import CROISSANT
from shoepair.reports.results import Facts
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

SETS = {"train": 2, "valid": 2, "test_m": 1, "test_w": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Facts]]:
    """A class of one batch, and the folder that its tables are in."""
    folder = tmp_path_factory.mktemp("facts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        CROISSANT.parent.mkdir()
        yield folder, made(SETS, models=["cnn"])


@pytest.fixture
def found(written: tuple[Path, Facts], monkeypatch: pytest.MonkeyPatch) -> Facts:
    monkeypatch.chdir(written[0])
    return written[1]


def parts(document: Any) -> Iterator[dict[str, Any]]:
    """All objects within a document."""
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from parts(value)
    if isinstance(document, list):
        for value in document:
            yield from parts(value)


def test_files_are_found_from_the_folder_of_the_metadata_and_have_the_digest_that_is_told(found: Facts) -> None:
    distribution = croissant.document(found)["distribution"]
    assert len(distribution) == 2
    for each in distribution:
        path = CROISSANT.parent / each["contentUrl"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each["sha256"]
        assert path.name == each["name"]


def test_every_field_is_a_column_of_its_file(found: Facts) -> None:
    document = croissant.document(found)
    files = {each["@id"]: CROISSANT.parent / each["contentUrl"] for each in document["distribution"]}
    for records in document["recordSet"][1:]:
        columns = {field["source"]["extract"]["column"] for field in records["field"]}
        (file,) = {field["source"]["fileObject"]["@id"] for field in records["field"]}
        assert columns == set(pd.read_parquet(files[file]).columns)
        assert all(field["name"] == field["source"]["extract"]["column"] for field in records["field"])


def test_names_stand_once_and_what_is_referred_to_is_there(found: Facts) -> None:
    document = croissant.document(found)
    named = [each["@id"] for each in parts([document["distribution"], document["recordSet"]]) if "@type" in each]
    assert len(named) == len(set(named))
    referred = [each["@id"] for each in parts(document["recordSet"]) if "@id" in each and "@type" not in each]
    assert len(referred) > len(croissant.PAIRS)
    assert set(referred) <= set(named)


def test_splits_tell_their_counts(found: Facts) -> None:
    rows = croissant.document(found)["recordSet"][0]["data"]
    assert rows[2:] == [
        {
            "splits/name": name,
            "splits/students": 1,
            "splits/pairs": 3,
            "splits/pairs_m": men,
            "splits/pairs_w": 3 - men,
        }
        for name, men in (("test_m", 3), ("test_w", 0))
    ]
    assert sum(row["splits/students"] for row in rows) == sum(SETS.values())


@pytest.mark.parametrize(
    ("drawn", "kinds"),
    [([], ["Photographs"]), (["a"], ["Drawn by a program", "Photographs"]), (["a", "b"], ["Drawn by a program"])],
)
def test_kinds_of_pictures_are_those_of_the_batches(found: Facts, drawn: list[str], kinds: list[str]) -> None:
    document = croissant.document(replace(found, batches=["a", "b"], drawn=drawn))
    assert document["rai:dataCollectionType"] == kinds


def test_table_that_is_missing_is_named(found: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShoepairError, match=rf"{paths.SPLIT}: missing\nrun `dvc repro`, which makes it"):
        croissant.document(found)
