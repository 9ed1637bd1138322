"""Every model's answer to every pair."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from torch import nn

from shoepair.batches import PairData
from shoepair.training import logits

BATCH = 32  # pairs scored at a time; no result depends on it


def score(models: Mapping[str, nn.Module], rows: pd.DataFrame, data: PairData) -> pd.DataFrame:
    """Ask every model about every pair.

    Args:
        models: name -> network.
        rows: `Pairs` rows.
        data: the same pairs with their photos.

    Returns:
        `evaluation.Scores` rows, model after model.
    """
    answers = {name: logits(model, data, BATCH).numpy() for name, model in models.items()}
    return pd.concat([rows.assign(model=name, logit=both[:, 1] - both[:, 0]) for name, both in answers.items()])
