"""The columns of every table of the pipeline, as pandera schemas."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from shoepair.data import naming
from shoepair.data.naming import SPLITS, SUBSETS
from shoepair.runtime.batch_names import BATCH_NAME_PATTERN

STUDENT_PATTERN = re.compile(naming.STUDENT_LETTER + r"[0-9]{1,250}", re.ASCII)
# Within a batch's folder: neither absolute nor with a part that leads out of it.
PATH_PATTERN = re.compile(r"(?!/)(?!(?:.*/)?\.\.(?:/|\Z))[^\x00-\x1f\x7f]+")


def _match(values: pd.Series[str], pattern: re.Pattern[str]) -> pd.Series[bool]:
    """Return whether each text that is not missing matches as a whole; each different text is matched once."""
    distinct = np.asarray(values.dropna().unique(), object)  # texts of Python: Arrow's are slow to go through
    others = [value for value in distinct if not pattern.fullmatch(value)]
    return ~values.isin(others)


class TableSchema(pa.DataFrameModel):
    """Base class of table schemas: exactly the named columns, in this order, of these types."""

    class Config:
        """Options of pandera."""

        strict = True
        ordered = True
        coerce = True

    @pa.check("^(other_)?batch$", regex=True)
    def batch_is_a_name(cls, values: pd.Series[str]) -> pd.Series[bool]:  # noqa: N805  # pandera makes it one
        """Whether each batch has a valid name: a path is made of it."""
        return _match(values, BATCH_NAME_PATTERN)

    @pa.check("^(other_)?student$", regex=True)
    def student_is_an_id(cls, values: pd.Series[str]) -> pd.Series[bool]:  # noqa: N805
        """Whether each student is an id like u052."""
        return _match(values, STUDENT_PATTERN)

    @pa.check("^(other_)?path$", regex=True)
    def path_is_in_the_batch(cls, values: pd.Series[str]) -> pd.Series[bool]:  # noqa: N805
        """Whether each path stays in the batch's folder."""
        return _match(values, PATH_PATTERN)


class Manifest(TableSchema):
    """One row per file of a batch; the parts of the name are missing where the file has an error."""

    path: Series[str]  # within the batch's folder, "/" between the parts, escaped where not printable
    subset: Series[str] = pa.Field(nullable=True, isin=SUBSETS)
    student: Series[str] = pa.Field(nullable=True)
    pair: Series[pd.Int8Dtype] = pa.Field(nullable=True, isin=naming.PAIR_NUMBERS)
    side: Series[str] = pa.Field(nullable=True, isin=naming.SIDES)
    category: Series[str] = pa.Field(nullable=True, isin=naming.CATEGORIES)
    bytes: Series[int] = pa.Field(ge=0)
    sha256: Series[str] = pa.Field(nullable=True)
    ignored: Series[bool]  # documents, and what other programs left
    error: Series[str] = pa.Field(nullable=True)


class AcceptedPhotos(TableSchema):
    """One row per accepted photo, sorted by student, pair and side (left first)."""

    path: Series[str] = pa.Field(unique=True)
    subset: Series[str] = pa.Field(isin=SUBSETS)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=naming.PAIR_NUMBERS)
    side: Series[str] = pa.Field(isin=naming.SIDES)
    category: Series[str] = pa.Field(isin=naming.CATEGORIES)
    bytes: Series[int] = pa.Field(gt=0)
    sha256: Series[str] = pa.Field(unique=True)


class LabelIssues(TableSchema):
    """One row per student, most suspicious first, with probabilities of mislabelled photos."""

    batch: Series[str]
    student: Series[str]
    rank: Series[int] = pa.Field(ge=1)
    issue_probability: Series[float] = pa.Field(ge=0, le=1)
    mispaired: Series[float] = pa.Field(ge=0, le=1)
    swapped: Series[float] = pa.Field(ge=0, le=1)
    not_a_shoe: Series[float] = pa.Field(ge=0, le=1)
    reason: Series[str]


SAME, DIFFERENT = 1, 0


class Pairs(TableSchema):
    """One row per pair image; nine per student: 3 same, 6 different, of which 3 are the standard ones."""

    split: Series[str] = pa.Field(isin=SPLITS)
    batch: Series[str]
    student: Series[str]
    row: Series[int] = pa.Field(ge=0)  # of the student in the batch's store
    left: Series[int] = pa.Field(isin=naming.PAIR_NUMBERS)  # pair number of the left shoe
    right: Series[int] = pa.Field(isin=naming.PAIR_NUMBERS)  # pair number of the right shoe
    same: Series[int] = pa.Field(isin=(DIFFERENT, SAME))
    standard: Series[bool]  # same, or left of pair p with right of pair p + 1 modulo 3


class Scores(Pairs):
    """One row per model and pair, with the model's logit."""

    model: Series[str]
    logit: Series[np.float32] = pa.Field(
        gt=-np.inf, lt=np.inf
    )  # same minus different; above 0 the pair is called same


def make_student_keys(rows: pd.DataFrame) -> pd.Series[str]:
    """Return a unique key for the student of each row: "batch/student"."""
    return rows["batch"] + "/" + rows["student"]


class NearDuplicates(TableSchema):
    """One row per ordered pair of near-duplicate photos: every two photos are listed twice."""

    batch: Series[str]
    student: Series[str]
    path: Series[str]
    other_batch: Series[str]
    other_student: Series[str]
    other_path: Series[str]
    hash_distance: Series[int]  # least number of bits that differ, of 256


class FoldScores(Scores):
    """One row per model, repeat and pair: the logit of a model not trained on the pair's student."""

    repeat: Series[int] = pa.Field(ge=0)
    fold: Series[int] = pa.Field(ge=0)


class ImageStats(TableSchema):
    """Quality measures and perceptual hashes of accepted photos, in the order of `AcceptedPhotos`."""

    path: Series[str] = pa.Field(unique=True)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=naming.PAIR_NUMBERS)
    side: Series[str] = pa.Field(isin=naming.SIDES)
    width: Series[int] = pa.Field(gt=0)  # of the original image, in pixels
    height: Series[int] = pa.Field(gt=0)
    blur: Series[float] = pa.Field(ge=0, le=1)  # 0 sharp, 1 blurred
    grey_1: Series[float] = pa.Field(ge=0, le=1)  # percentiles of brightness, 0 black, 1 white
    grey_5: Series[float] = pa.Field(ge=0, le=1)
    grey_99: Series[float] = pa.Field(ge=0, le=1)
    phashes: Series[str]  # base64 of 32 bytes each: of `phash.CROP_FRAMES`, then of the mirror image


class StudentSplits(TableSchema):
    """The split of every student, one row each: batches in the order of the list, students ascending."""

    batch: Series[str]
    student: Series[str] = pa.Field(unique=True)
    row: Series[int] = pa.Field(ge=0)  # of the student in the batch's store
    split: Series[str] = pa.Field(isin=SPLITS)
