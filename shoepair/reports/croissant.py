"""Croissant 1.1 metadata of the data set, with the responsible-AI properties; valid for `mlcroissant validate`.

Contains counts and no student numbers. It refers to tables of the pipeline, which are not in git; one of them per
batch holds the photos, so that programs load pairs of pictures. What the project
does not know, such as a date or a licence, is left out or stated as unknown.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shoepair.data import contact_sheets
from shoepair.data.naming import SPLITS
from shoepair.reports import card_texts
from shoepair.reports.formatting import CROISSANT_PATH, read_template
from shoepair.reports.results import REPRO_HINT, Results
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

SPECIFICATION_URLS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
PARQUET_MEDIA_TYPE = "application/x-parquet"  # the name that mlcroissant accepts
STUDENT_COLUMNS = {
    "batch": ("sc:Text", "the batch of the student's photos"),
    "student": ("sc:Text", "the student's number, as in the names of the photos"),
    "row": ("sc:Integer", "row of the student in the batch's store"),
    "split": ("sc:Text", "train, valid, test_m or test_w"),
}
PAIR_COLUMNS = {
    **STUDENT_COLUMNS,
    "left": ("sc:Integer", "pair of the left shoe, 1 to 3"),
    "right": ("sc:Integer", "pair of the right shoe, 1 to 3"),
    "same": ("sc:Integer", "label: 1 for shoes of the same pair, 0 for shoes of different pairs"),
    "standard": (
        "sc:Boolean",
        "whether it is one of the student's three same and three different standard pairs",
    ),
}
PHOTO_PAIR_COLUMNS = {
    **{name: text for name, text in PAIR_COLUMNS.items() if name not in {"row", "split", "standard"}},
    "left_photo": ("sc:ImageObject", "the left shoe, upright, cropped to a square, in sRGB"),
    "right_photo": ("sc:ImageObject", "the right shoe, likewise"),
}


def build_metadata(results: Results) -> dict[str, Any]:
    """Build the Croissant metadata of the data set as a dict."""
    sources = {"Synthetic": results.synthetic_batches, "Photographs": results.photographed_batches}
    return {
        "@context": json.loads(read_template("croissant-context.json")),  # verbatim from the specification
        "@type": "sc:Dataset",
        "name": "shoepair",
        "description": card_texts.class_sentence(results),
        "conformsTo": SPECIFICATION_URLS,
        "license": card_texts.LICENCE_TEXT,
        "keywords": ["shoes", "image pairs", "same or different", "accessibility"],
        "inLanguage": "en",
        "rai:dataCollection": card_texts.collection_sentence(results),
        "rai:dataCollectionType": [source for source, batches in sources.items() if batches],
        "rai:dataPreprocessingProtocol": card_texts.PREPROCESSING_TEXTS,
        "rai:dataAnnotationProtocol": card_texts.LABEL_TEXTS,
        "rai:dataUseCases": card_texts.USE_TEXTS,
        "rai:dataLimitations": card_texts.list_limitation_sentences(results),
        "rai:dataBiases": card_texts.list_bias_sentences(results),
        "rai:personalSensitiveInformation": card_texts.list_privacy_sentences(results),
        "distribution": [
            _file_object("students-table", paths.SPLIT, "Every student with the split."),
            _file_object("pairs-table", paths.PAIRS, "All nine pairs of every student, as rows of the stores."),
            {
                "@type": "cr:FileSet",
                "@id": "photo-pairs-tables",
                "name": "photo-pairs-tables",
                "description": "All nine pairs of every student, with both photos; a table per batch.",
                "encodingFormat": PARQUET_MEDIA_TYPE,
                "includes": [
                    (paths.sheets_path(batch) / contact_sheets.PAIRS_FILE)
                    .relative_to(CROISSANT_PATH.parent)
                    .as_posix()
                    for batch in results.batches
                ],
            },
        ],
        "recordSet": [
            _splits_record_set(results),
            _record_set("students", "students-table", "One record per student.", STUDENT_COLUMNS),
            _record_set(
                "pairs", "pairs-table", "One record per pair of shoes: left shoe, right shoe, label.", PAIR_COLUMNS
            ),
            _record_set(
                "photo-pairs",
                "photo-pairs-tables",
                "One record per pair of shoes, with the photos of both; `students` has the split.",
                PHOTO_PAIR_COLUMNS,
                "fileSet",
            ),
        ],
    }


def _file_object(key: str, path: Path, description: str) -> dict[str, Any]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        missing = f"{path}: missing"
        raise ShoepairError(missing, fix=REPRO_HINT) from None
    return {
        "@type": "cr:FileObject",
        "@id": key,
        "name": path.name,
        "description": description,
        "contentUrl": f"../{path.as_posix()}",  # relative to the metadata file
        "encodingFormat": PARQUET_MEDIA_TYPE,
        "sha256": digest,
    }


def _record_set(
    key: str, file: str, description: str, columns: dict[str, tuple[str, str]], file_type: str = "fileObject"
) -> dict[str, Any]:
    fields = []
    for name, (data_type, text) in columns.items():
        source = {file_type: {"@id": file}, "extract": {"column": name}}
        field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{key}/{name}", "name": name, "description": text}
        field |= {"dataType": data_type, "source": source}
        if name == "split":
            field |= {"references": {"field": {"@id": "splits/name"}}}
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": key, "name": key, "description": description, "field": fields}


def _splits_record_set(results: Results) -> dict[str, Any]:
    """Return the splits with their counts, as records within the metadata."""
    counts = ("students", "pairs", "pairs_m", "pairs_w")
    types = {"name": "sc:Text"} | dict.fromkeys(counts, "sc:Integer")
    fields = [
        {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": data_type}
        for name, data_type in types.items()
    ]
    rows = [
        {"splits/name": split} | {f"splits/{name}": results.split_counts[split][name] for name in counts}
        for split in SPLITS
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits; pairs_m and pairs_w count men's and women's pairs.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": fields,
        "data": rows,
    }
