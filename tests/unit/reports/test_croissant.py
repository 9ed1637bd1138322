"""The Croissant metadata: files, columns and references exist."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.data import contact_sheets
from shoepair.reports import croissant
from shoepair.reports.formatting import CROISSANT_PATH
from shoepair.reports.results import Results
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

SETS = {"train": 2, "valid": 2, "test_m": 1, "test_w": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Results]]:
    """Return a class of one batch, and the folder of its tables."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        CROISSANT_PATH.parent.mkdir()
        yield folder, made(SETS, models=["cnn"])


@pytest.fixture
def results(written: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(written[0])
    return written[1]


def parts(document: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects within a document."""
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from parts(value)
    if isinstance(document, list):
        for value in document:
            yield from parts(value)


def test_files_exist_relative_to_the_metadata_and_have_the_given_digest(results: Results) -> None:
    distribution = croissant.build_metadata(results)["distribution"]
    assert [file["@type"] for file in distribution] == ["cr:FileObject", "cr:FileObject", "cr:FileSet"]
    assert distribution[2]["includes"] == ["photos/a/pairs.parquet"]
    for file in distribution[:2]:
        path = CROISSANT_PATH.parent / file["contentUrl"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
        assert path.name == file["name"]


def test_every_field_is_a_column_of_its_file(results: Results) -> None:
    document = croissant.build_metadata(results)
    files = {file["@id"]: CROISSANT_PATH.parent / file["contentUrl"] for file in document["distribution"][:2]}
    for records in document["recordSet"][1:3]:
        columns = {field["source"]["extract"]["column"] for field in records["field"]}
        (file,) = {field["source"]["fileObject"]["@id"] for field in records["field"]}
        assert columns == set(pd.read_parquet(files[file]).columns)
        assert all(field["name"] == field["source"]["extract"]["column"] for field in records["field"])


def test_every_field_with_photos_is_a_column_of_the_sheets(results: Results) -> None:
    fields = croissant.build_metadata(results)["recordSet"][3]["field"]
    assert [field["source"]["extract"]["column"] for field in fields] == contact_sheets.PAIR_COLUMNS.names
    assert {field["source"]["fileSet"]["@id"] for field in fields} == {"photo-pairs-tables"}


def test_ids_are_unique_and_references_exist(results: Results) -> None:
    document = croissant.build_metadata(results)
    ids = [part["@id"] for part in parts([document["distribution"], document["recordSet"]]) if "@type" in part]
    assert len(ids) == len(set(ids))
    references = [part["@id"] for part in parts(document["recordSet"]) if "@id" in part and "@type" not in part]
    assert len(references) > len(croissant.PAIR_COLUMNS)
    assert set(references) <= set(ids)


def test_splits_have_their_counts(results: Results) -> None:
    rows = croissant.build_metadata(results)["recordSet"][0]["data"]
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
    ("synthetic", "types"),
    [([], ["Photographs"]), (["a"], ["Synthetic", "Photographs"]), (["a", "b"], ["Synthetic"])],
)
def test_collection_types_are_those_of_the_batches(results: Results, synthetic: list[str], types: list[str]) -> None:
    document = croissant.build_metadata(replace(results, batches=["a", "b"], synthetic_batches=synthetic))
    assert document["rai:dataCollectionType"] == types


def test_missing_table_is_named(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShoepairError, match=rf"{paths.SPLIT}: missing\nrun `dvc repro`, which makes it"):
        croissant.build_metadata(results)
