"""What the tables' schemas let through, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from shoepair.data import schemas

PAIR: dict[str, Any] = {"split": "train", "batch": "a", "student": "u1", "row": 0, "left": 1, "right": 1}
ROWS: dict[type[schemas.Schema], dict[str, Any]] = {
    schemas.Files: {"path": "a", "set": None, "student": None, "pair": None, "side": None, "kind": None, "bytes": 0}
    | {"sha256": None, "ignored": True, "fault": "why"},
    schemas.Photos: {"path": "a", "set": "train", "student": "u1", "pair": 1, "side": "left", "kind": "m"}
    | {"bytes": 1, "sha256": "0f"},
    schemas.Suspects: {"batch": "a", "student": "u1", "rank": 1, "suspicion": 0.5, "mispaired": 0.0, "swapped": 1.0}
    | {"not_a_shoe": 0.0, "why": ""},
    schemas.Pairs: PAIR | {"same": 1, "standard": True},
    schemas.Scores: PAIR | {"same": 1, "standard": True, "model": "cnn", "logit": 0.1},
    schemas.Folded: PAIR | {"same": 1, "standard": True, "model": "cnn", "logit": 0.1, "repeat": 0, "fold": 4},
    schemas.Split: {"batch": "a", "student": "u1", "row": 0, "split": "test_w"},
    schemas.Duplicates: {"batch": "a", "student": "u1", "path": "p", "other_batch": "b", "other_student": "u2"}
    | {"other_path": "q", "bits": 3},
    schemas.Signs: {"path": "a", "student": "u1", "pair": 3, "side": "right", "width": 1, "height": 1, "blur": 0.0}
    | {"grey_1": 0.0, "grey_5": 0.5, "grey_99": 1.0, "prints": ""},
}


@pytest.mark.parametrize("schema", ROWS)
def test_sound_row_passes_and_more_or_other_columns_do_not(schema: type[schemas.Schema]) -> None:
    frame = pd.DataFrame([ROWS[schema]])
    assert list(schema.validate(frame).columns) == list(ROWS[schema])
    for other in (frame.assign(more=1), frame.drop(columns=frame.columns[-1]), frame[frame.columns[::-1]]):
        with pytest.raises((SchemaError, SchemaErrors)):
            schema.validate(other)


@pytest.mark.parametrize(
    ("schema", "column", "value"),
    [
        (schemas.Files, "set", "valid"),
        (schemas.Files, "pair", 4),
        (schemas.Files, "bytes", -1),
        (schemas.Photos, "set", "valid"),
        (schemas.Photos, "pair", 0),
        (schemas.Photos, "side", "up"),
        (schemas.Photos, "kind", "x"),
        (schemas.Photos, "bytes", 0),
        (schemas.Photos, "student", None),
        (schemas.Suspects, "rank", 0),
        (schemas.Suspects, "swapped", 1.1),
        (schemas.Suspects, "suspicion", -0.1),
        (schemas.Pairs, "split", "test"),
        (schemas.Pairs, "row", -1),
        (schemas.Pairs, "left", 0),
        (schemas.Pairs, "right", 4),
        (schemas.Pairs, "same", 2),
        (schemas.Split, "row", -1),
        (schemas.Split, "split", "test"),
        (schemas.Signs, "width", 0),
        (schemas.Signs, "blur", 1.1),
        (schemas.Signs, "grey_99", 255.0),
    ],
)
def test_value_out_of_its_range_is_refused(schema: type[schemas.Schema], column: str, value: object) -> None:
    with pytest.raises(SchemaError, match=column):
        schema.validate(pd.DataFrame([ROWS[schema] | {column: value}]))


@pytest.mark.parametrize(
    ("schema", "column"),
    [(schemas.Photos, "path"), (schemas.Photos, "sha256"), (schemas.Signs, "path"), (schemas.Split, "student")],
)
def test_what_is_there_once_is_refused_when_it_is_there_twice(schema: type[schemas.Schema], column: str) -> None:
    unique = {name: f"{name}2" for name in ("path", "sha256", "student") if name in ROWS[schema]}
    other = ROWS[schema] | unique
    assert len(schema.validate(pd.DataFrame([ROWS[schema], other]))) == 2
    with pytest.raises(SchemaError, match=column):
        schema.validate(pd.DataFrame([ROWS[schema], other | {column: ROWS[schema][column]}]))


def test_numbers_come_out_in_the_types_of_the_file() -> None:
    found = schemas.Scores.validate(pd.DataFrame([ROWS[schemas.Scores]]).astype({"row": "int8", "logit": "float64"}))
    assert {name: str(found[name].dtype) for name in ("row", "same", "standard", "logit")} == {
        "row": "int64",
        "same": "int64",
        "standard": "bool",
        "logit": "float32",
    }
    assert found["logit"].item() == np.float32(0.1)
    files = schemas.Files.validate(pd.DataFrame([ROWS[schemas.Files]]))
    assert str(files["pair"].dtype) == "Int8", "a missing pair makes no floats of the others"


def test_scores_are_pairs_with_what_a_model_says_and_folded_ones_with_the_fold_too() -> None:
    pairs, scores, folded = (list(ROWS[each]) for each in (schemas.Pairs, schemas.Scores, schemas.Folded))
    assert scores == [*pairs, "model", "logit"]
    assert folded == [*scores, "repeat", "fold"]


def test_student_is_known_by_batch_and_number() -> None:
    rows = pd.DataFrame({"batch": ["a", "b", "a"], "student": ["u1", "u1", "u2"]})
    assert list(schemas.students_of(rows)) == ["a/u1", "b/u1", "a/u2"]
