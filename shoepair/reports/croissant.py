"""The data set for programs: Croissant 1.1 with the responsible-AI properties, as `mlcroissant validate` wants it.

Counts only and no student's number; the tables that it points at are not in git and stay where the pipeline made them.
What the project does not know, such as a date or a licence, is left out or said in words: none is invented.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shoepair.data.naming import SPLITS
from shoepair.reports import wording
from shoepair.reports.format import template
from shoepair.reports.results import FIX, Facts
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

SPECIFICATIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
PARQUET = "application/x-parquet"  # the name that mlcroissant knows it by
STUDENTS = {
    "batch": ("sc:Text", "the batch in which the student's photos came"),
    "student": ("sc:Text", "the student's number, as in the names of the photos"),
    "row": ("sc:Integer", "place of the student in the store of the batch"),
    "split": ("sc:Text", "train, valid, test_m or test_w"),
}
PAIRS = {
    **STUDENTS,
    "left": ("sc:Integer", "the pair, 1 to 3, that the left shoe is of"),
    "right": ("sc:Integer", "the pair, 1 to 3, that the right shoe is of"),
    "same": ("sc:Integer", "the label: 1 for the shoes of one pair, 0 for shoes of two pairs"),
    "standard": (
        "sc:Boolean",
        "whether it is one of the three same and three different pairs that models are measured on",
    ),
}


def document(found: Facts) -> dict[str, Any]:
    """The metadata."""
    kinds = {"Drawn by a program": found.drawn, "Photographs": found.photographed}
    return {
        "@context": json.loads(template("croissant-context.json")),  # word for word of the specification
        "@type": "sc:Dataset",
        "name": "shoepair",
        "description": wording.description(found),
        "conformsTo": SPECIFICATIONS,
        "license": wording.LICENCE,
        "keywords": ["shoes", "image pairs", "same or different", "accessibility"],
        "inLanguage": "en",
        "rai:dataCollection": wording.collection(found),
        "rai:dataCollectionType": [kind for kind, batches in kinds.items() if batches],
        "rai:dataPreprocessingProtocol": wording.PREPROCESSING,
        "rai:dataAnnotationProtocol": wording.LABELS,
        "rai:dataUseCases": wording.USES,
        "rai:dataLimitations": wording.limitations(found),
        "rai:dataBiases": wording.biases(found),
        "rai:personalSensitiveInformation": wording.privacy(found),
        "distribution": [
            _file("students-table", paths.SPLIT, "Every student and the split that the student is in."),
            _file("pairs-table", paths.PAIRS, "All nine pairs of every student, as rows of the stores."),
        ],
        "recordSet": [
            _splits(found),
            _records("students", "students-table", "One record per student.", STUDENTS),
            _records("pairs", "pairs-table", "One record per pair of shoes: left shoe, right shoe, label.", PAIRS),
        ],
    }


def _file(key: str, path: Path, description: str) -> dict[str, Any]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        missing = f"{path}: missing"
        raise ShoepairError(missing, fix=FIX) from None
    return {
        "@type": "cr:FileObject",
        "@id": key,
        "name": path.name,
        "description": description,
        "contentUrl": f"../{path.as_posix()}",  # from the folder of this file
        "encodingFormat": PARQUET,
        "sha256": digest,
    }


def _records(key: str, file: str, description: str, columns: dict[str, tuple[str, str]]) -> dict[str, Any]:
    fields = []
    for name, (kind, text) in columns.items():
        source = {"fileObject": {"@id": file}, "extract": {"column": name}}
        field: dict[str, Any] = {"@type": "cr:Field", "@id": f"{key}/{name}", "name": name, "description": text}
        field |= {"dataType": kind, "source": source}
        if name == "split":
            field |= {"references": {"field": {"@id": "splits/name"}}}
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": key, "name": key, "description": description, "field": fields}


def _splits(found: Facts) -> dict[str, Any]:
    """The splits with their counts, written into the metadata."""
    counts = ("students", "pairs", "pairs_m", "pairs_w")
    kinds = {"name": "sc:Text"} | dict.fromkeys(counts, "sc:Integer")
    fields = [
        {"@type": "cr:Field", "@id": f"splits/{name}", "name": name, "dataType": kind} for name, kind in kinds.items()
    ]
    rows = [{"splits/name": name} | {f"splits/{each}": found.counts[name][each] for each in counts} for name in SPLITS]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits; _m and _w count the pairs of men's and of women's shoes.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": fields,
        "data": rows,
    }
