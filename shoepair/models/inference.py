"""What a model says of pairs: logits and accuracies, in inference mode, without building arrays of pair images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from shoepair.data.pair_dataset import PairData, Pairing
from shoepair.models import distributed
from shoepair.models.base import CLASSES, Model
from shoepair.runtime import progress

SCORED = 64  # pairs scored at a time; no result depends on it beyond rounding


def answers(model: nn.Module, shoes: Tensor) -> Tensor:
    """Logits of all combinations of the groups' shoes: (G, L, 2, S, S, 3) to (G L L, 2)."""
    if isinstance(model, Model):
        return model.combinations(shoes).flatten(0, 2)
    got: Tensor = model(shoes.flatten(1, 3).movedim(3, 1))  # another module gets pair images
    return got


def each(
    plan: Sequence[Tensor],
    shoes_of: Callable[[Iterable[Tensor]], Iterable[Tensor]],
    work: Callable[[Tensor], Tensor],
    like: Tensor,
) -> Tensor:
    """What `work` gives for the shoes of each batch; of several ranks each works a part of the batches.

    Args:
        plan: numbers of pairs or students, 0..P-1 in all, batch after batch.
        shoes_of: the shoes of these, such as `Pairing.pairs`.
        work: gives a row for each of them, which follows from its own shoes alone.
        like: a row, for its shape and type.

    Returns:
        (P, *row) on the CPU, the same on all ranks.
    """
    found = like.new_zeros((sum(map(len, plan)), *like.shape))
    mine = plan[distributed.rank() :: distributed.size()]
    for which, shoes in zip(mine, shoes_of(mine), strict=True):
        found[which] = work(shoes).to("cpu")
    return distributed.summed(found)


def logits(model: nn.Module, data: Pairing, batch_size: int = SCORED) -> Tensor:
    """The model's answer to every pair: (P, 2) float32 on the CPU, different and same."""
    model.eval()
    with torch.inference_mode():
        if isinstance(model, Model) and model.whole_students:
            count = max(1, batch_size // 6)  # students at a time: 6 photos and 9 pairs each
            students = torch.split(torch.arange(int(data.shoes[:, 0].max()) + 1), count)
            nine = each(students, data.students, model.combinations, torch.zeros(3, 3, CLASSES))  # (N, 3, 3, 2)
            found = nine[tuple(data.shoes.unbind(1))]
        else:
            plan = torch.split(torch.arange(len(data.same)), batch_size)
            found = each(plan, data.pairs, lambda shoes: answers(model, shoes), torch.zeros(CLASSES))
    return found


def accuracies(model: nn.Module, data: Pairing, batch_size: int = SCORED) -> tuple[float, float]:
    """Positive and negative accuracy: the share of same pairs called same, of different ones called different."""
    called_same = logits(model, data, batch_size).argmax(1) == 1
    right = called_same == (data.same == 1)
    return right[data.same == 1].double().mean().item(), right[data.same == 0].double().mean().item()


def score(models: Mapping[str, Model], rows: pd.DataFrame, data: PairData) -> pd.DataFrame:
    """Ask every model about every pair.

    Args:
        models: name -> model.
        rows: `Pairs` rows.
        data: the same pairs with their photos.

    Returns:
        `Scores` rows, model after model.
    """
    small = {edge: data.at(edge) for edge in {model.shape.edge for model in models.values()}}
    asked = progress.track(models.items(), "evaluate", "model")
    answers = {name: logits(model, small[model.shape.edge]).numpy() for name, model in asked}
    return pd.concat([rows.assign(model=name, logit=both[:, 1] - both[:, 0]) for name, both in answers.items()])
