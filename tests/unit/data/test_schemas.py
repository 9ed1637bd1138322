"""Rows that the table schemas accept and reject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from shoepair.data import schemas

PAIR: dict[str, Any] = {"split": "train", "batch": "a", "student": "u1", "row": 0, "left": 1, "right": 1}
ROWS: dict[type[schemas.TableSchema], dict[str, Any]] = {
    schemas.Manifest: {"path": "a", "subset": None, "student": None, "pair": None, "side": None, "category": None}
    | {"bytes": 0, "sha256": None, "ignored": True, "error": "reason"},
    schemas.AcceptedPhotos: {"path": "a", "subset": "train", "student": "u1", "pair": 1, "side": "left"}
    | {"category": "m", "bytes": 1, "sha256": "0f"},
    schemas.LabelIssues: {"batch": "a", "student": "u1", "rank": 1, "issue_probability": 0.5, "mispaired": 0.0}
    | {"swapped": 1.0, "not_a_shoe": 0.0, "reason": ""},
    schemas.Pairs: PAIR | {"same": 1, "standard": True},
    schemas.Scores: PAIR | {"same": 1, "standard": True, "model": "cnn", "logit": 0.1},
    schemas.FoldScores: PAIR | {"same": 1, "standard": True, "model": "cnn", "logit": 0.1, "repeat": 0, "fold": 4},
    schemas.StudentSplits: {"batch": "a", "student": "u1", "row": 0, "split": "test_w"},
    schemas.NearDuplicates: {"batch": "a", "student": "u1", "path": "p", "other_batch": "b", "other_student": "u2"}
    | {"other_path": "q", "hash_distance": 3},
    schemas.ImageStats: {"path": "a", "student": "u1", "pair": 3, "side": "right", "width": 1, "height": 1}
    | {"blur": 0.0, "grey_1": 0.0, "grey_5": 0.5, "grey_99": 1.0, "phashes": ""},
}


@pytest.mark.parametrize("schema", ROWS)
def test_valid_row_passes_and_more_or_other_columns_do_not(schema: type[schemas.TableSchema]) -> None:
    frame = pd.DataFrame([ROWS[schema]])
    assert list(schema.validate(frame).columns) == list(ROWS[schema])
    for other in (frame.assign(more=1), frame.drop(columns=frame.columns[-1]), frame[frame.columns[::-1]]):
        with pytest.raises((SchemaError, SchemaErrors)):
            schema.validate(other)


@pytest.mark.parametrize(
    ("schema", "column", "value"),
    [
        (schemas.Manifest, "subset", "valid"),
        (schemas.Manifest, "pair", 4),
        (schemas.Manifest, "bytes", -1),
        (schemas.AcceptedPhotos, "subset", "valid"),
        (schemas.AcceptedPhotos, "pair", 0),
        (schemas.AcceptedPhotos, "side", "up"),
        (schemas.AcceptedPhotos, "category", "x"),
        (schemas.AcceptedPhotos, "bytes", 0),
        (schemas.AcceptedPhotos, "student", None),
        (schemas.AcceptedPhotos, "student", "../../u1"),
        (schemas.AcceptedPhotos, "path", "../a"),
        (schemas.AcceptedPhotos, "path", "a/.."),
        (schemas.AcceptedPhotos, "path", "a\n/../b"),
        (schemas.Manifest, "path", "/etc/passwd"),
        (schemas.ImageStats, "path", "a\0"),
        (schemas.NearDuplicates, "other_path", "a/../../b"),
        (schemas.NearDuplicates, "other_batch", "../a"),
        (schemas.Pairs, "batch", "a/b"),
        (schemas.Scores, "logit", float("inf")),
        (schemas.LabelIssues, "rank", 0),
        (schemas.LabelIssues, "swapped", 1.1),
        (schemas.LabelIssues, "issue_probability", -0.1),
        (schemas.Pairs, "split", "test"),
        (schemas.Pairs, "row", -1),
        (schemas.Pairs, "left", 0),
        (schemas.Pairs, "right", 4),
        (schemas.Pairs, "same", 2),
        (schemas.StudentSplits, "row", -1),
        (schemas.StudentSplits, "split", "test"),
        (schemas.ImageStats, "width", 0),
        (schemas.ImageStats, "blur", 1.1),
        (schemas.ImageStats, "grey_99", 255.0),
    ],
)
def test_value_out_of_its_range_is_refused(schema: type[schemas.TableSchema], column: str, value: object) -> None:
    with pytest.raises(SchemaError, match=column):
        schema.validate(pd.DataFrame([ROWS[schema] | {column: value}]))


@pytest.mark.parametrize(
    ("schema", "column"),
    [
        (schemas.AcceptedPhotos, "path"),
        (schemas.AcceptedPhotos, "sha256"),
        (schemas.ImageStats, "path"),
        (schemas.StudentSplits, "student"),
    ],
)
def test_repeated_value_of_a_unique_column_is_refused(schema: type[schemas.TableSchema], column: str) -> None:
    unique = {name: "u2" for name in ("path", "sha256", "student") if name in ROWS[schema]}
    other = ROWS[schema] | unique
    assert len(schema.validate(pd.DataFrame([ROWS[schema], other]))) == 2
    with pytest.raises(SchemaError, match=column):
        schema.validate(pd.DataFrame([ROWS[schema], other | {column: ROWS[schema][column]}]))


def test_numbers_come_out_in_the_types_of_the_file() -> None:
    scores = schemas.Scores.validate(pd.DataFrame([ROWS[schemas.Scores]]).astype({"row": "int8", "logit": "float64"}))
    assert {name: str(scores[name].dtype) for name in ("row", "same", "standard", "logit")} == {
        "row": "int64",
        "same": "int64",
        "standard": "bool",
        "logit": "float32",
    }
    assert scores["logit"].item() == np.float32(0.1)
    manifest = schemas.Manifest.validate(pd.DataFrame([ROWS[schemas.Manifest]]))
    assert str(manifest["pair"].dtype) == "Int8", "a missing pair makes no floats of the others"


def test_scores_extend_pairs_and_fold_scores_extend_scores() -> None:
    pairs, scores, folded = (list(ROWS[schema]) for schema in (schemas.Pairs, schemas.Scores, schemas.FoldScores))
    assert scores == [*pairs, "model", "logit"]
    assert folded == [*scores, "repeat", "fold"]


def test_student_key_has_batch_and_id() -> None:
    rows = pd.DataFrame({"batch": ["a", "b", "a"], "student": ["u1", "u1", "u2"]})
    assert list(schemas.make_student_keys(rows)) == ["a/u1", "b/u1", "a/u2"]
