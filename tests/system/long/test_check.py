"""`shoepair check` with two photos: the decision, the words, the exit statuses, and the pipeline's own preparation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support import usage

from shoepair.commands.serving import predictor
from shoepair.data import parquet_files
from shoepair.data.schemas import Scores
from shoepair.data.store import Store
from shoepair.runtime import paths


def test_scores_are_those_of_the_pipeline(trained: Path) -> None:  # noqa: ARG001
    scored = parquet_files.read_table(paths.SCORES, Scores)
    rows = scored[scored["model"] == "cnn_channel"].reset_index(drop=True)
    usage.decide(model="cnn_channel")
    judge = predictor.load_predictor()
    with Store(paths.store_path("tiny")) as store:
        students = store.student_ids
    asked = []
    for row in rows.to_dict("records"):
        folder = paths.raw_path("tiny") / {"valid": "train"}.get(row["split"], row["split"])
        kind = "w" if row["split"] == "test_w" else "m"
        names = [f"{students[row['row']]}_{row[side]}_{side}_{kind}.jpg" for side in ("left", "right")]
        asked.append((judge.prepare_photo(folder / names[0]), judge.prepare_photo(folder / names[1])))
    np.testing.assert_allclose(judge.compute_logits(asked), rows["logit"], atol=1e-5)
