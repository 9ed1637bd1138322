"""Every model's answer to every pair."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from shoepair.data.pair_dataset import PairData
from shoepair.inference import logits
from shoepair.models import Model
from shoepair.runtime import progress


def score(models: Mapping[str, Model], rows: pd.DataFrame, data: PairData) -> pd.DataFrame:
    """Ask every model about every pair.

    Args:
        models: name -> model.
        rows: `Pairs` rows.
        data: the same pairs with their photos.

    Returns:
        `evaluation.Scores` rows, model after model.
    """
    small = {edge: data.at(edge) for edge in {model.shape.edge for model in models.values()}}
    asked = progress.track(models.items(), "evaluate", "model")
    answers = {name: logits(model, small[model.shape.edge]).numpy() for name, model in asked}
    return pd.concat([rows.assign(model=name, logit=both[:, 1] - both[:, 0]) for name, both in answers.items()])
