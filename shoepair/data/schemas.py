"""The columns of every table of the pipeline, as pandera schemas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from shoepair.data import naming
from shoepair.data.naming import SETS, SPLITS


class Schema(pa.DataFrameModel):
    """What all tables share: exactly the named columns, in this order, of these types."""

    class Config:
        """How pandera checks."""

        strict = True
        ordered = True
        coerce = True


class Files(Schema):
    """One row per file found in a batch; the parts of the name are missing where it has a fault."""

    path: Series[str]  # within the batch's folder, "/" between the parts, escaped where not printable
    set: Series[str] = pa.Field(nullable=True, isin=SETS)
    student: Series[str] = pa.Field(nullable=True)
    pair: Series[pd.Int8Dtype] = pa.Field(nullable=True, isin=naming.PAIRS)
    side: Series[str] = pa.Field(nullable=True, isin=naming.SIDES)
    kind: Series[str] = pa.Field(nullable=True, isin=naming.KINDS)
    bytes: Series[int] = pa.Field(ge=0)
    sha256: Series[str] = pa.Field(nullable=True)
    ignored: Series[bool]  # hidden and system files
    fault: Series[str] = pa.Field(nullable=True)


class Photos(Schema):
    """One row per accepted photo: students ascending, pairs 1, 2, 3, left before right."""

    path: Series[str] = pa.Field(unique=True)
    set: Series[str] = pa.Field(isin=SETS)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=naming.PAIRS)
    side: Series[str] = pa.Field(isin=naming.SIDES)
    kind: Series[str] = pa.Field(isin=naming.KINDS)
    bytes: Series[int] = pa.Field(gt=0)
    sha256: Series[str] = pa.Field(unique=True)


class Suspects(Schema):
    """One row per student, the most suspicious first; chances 0..1."""

    batch: Series[str]
    student: Series[str]
    rank: Series[int] = pa.Field(ge=1)
    suspicion: Series[float] = pa.Field(ge=0, le=1)
    mispaired: Series[float] = pa.Field(ge=0, le=1)
    swapped: Series[float] = pa.Field(ge=0, le=1)
    not_a_shoe: Series[float] = pa.Field(ge=0, le=1)
    why: Series[str]


SAME, DIFFERENT = 1, 0


class Pairs(Schema):
    """One row per pair image; nine per student: 3 same, 6 different, of which 3 are the standard ones."""

    split: Series[str] = pa.Field(isin=SPLITS)
    batch: Series[str]
    student: Series[str]
    row: Series[int] = pa.Field(ge=0)  # of the student in the batch's store
    left: Series[int] = pa.Field(isin=naming.PAIRS)  # the pair that the left shoe is of
    right: Series[int] = pa.Field(isin=naming.PAIRS)  # the pair that the right shoe is of
    same: Series[int] = pa.Field(isin=(DIFFERENT, SAME))
    standard: Series[bool]  # same, or left of pair p with right of pair p + 1 modulo 3


class Scores(Pairs):
    """One row per model and pair: what the model says of the pair."""

    model: Series[str]
    logit: Series[np.float32]  # same minus different; above 0 the pair is called same


def students_of(scores: pd.DataFrame) -> pd.Series[str]:
    """Who each row is about: batch and student."""
    return scores["batch"] + "/" + scores["student"]


class Duplicates(Schema):
    """One row per photo and photo that it nearly equals; each two of them stand here twice, either one first."""

    batch: Series[str]
    student: Series[str]
    path: Series[str]
    other_batch: Series[str]
    other_student: Series[str]
    other_path: Series[str]
    bits: Series[int]  # of 256 that differ, at the least


class Folded(Scores):
    """One row per model, repeat and pair, each pair scored by a model that did not see its student."""

    repeat: Series[int]
    fold: Series[int]


class Signs(Schema):
    """One row per accepted photo, in the order of `Photos`."""

    path: Series[str] = pa.Field(unique=True)
    student: Series[str]
    pair: Series[int] = pa.Field(isin=naming.PAIRS)
    side: Series[str] = pa.Field(isin=naming.SIDES)
    width: Series[int] = pa.Field(gt=0)  # of the picture in the file, in pixels
    height: Series[int] = pa.Field(gt=0)
    blur: Series[float] = pa.Field(ge=0, le=1)  # 0 sharp, 1 blurred
    grey_1: Series[float] = pa.Field(ge=0, le=1)  # percentiles of brightness, 0 black, 1 white
    grey_5: Series[float] = pa.Field(ge=0, le=1)
    grey_99: Series[float] = pa.Field(ge=0, le=1)
    prints: Series[str]  # base 64 of 32 bytes each: of the FRAMES, then of the mirror image


class Split(Schema):
    """One row per student: batches in the order of the list, students ascending."""

    batch: Series[str]
    student: Series[str] = pa.Field(unique=True)
    row: Series[int] = pa.Field(ge=0)  # of the student in the batch's store
    split: Series[str] = pa.Field(isin=SPLITS)
