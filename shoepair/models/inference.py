"""What a model says of pairs: logits and accuracies, in inference mode, without building arrays of pair images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from shoepair.data.pair_dataset import PairData, Pairing
from shoepair.models import distributed
from shoepair.models.base import CLASSES, Model
from shoepair.runtime import progress

SCORED = 64  # pairs scored at a time; no result depends on it beyond rounding


def pair_logits(model: nn.Module, shoes: Tensor, *, tta: bool = True) -> Tensor:
    """Logits of groups of shoes: (G, L, 2, S, S, 3) to (G L L, 2); L is 1 unless whole students are compared.

    The model is any module that takes pair images; `tta` as in `Model.forward`.
    """
    if isinstance(model, Model) and model.whole_students:
        return model.combinations(shoes).flatten(0, 2)
    images = shoes.flatten(1, 3).movedim(3, 1)  # (G, 3, 2S, S), channels last in memory
    logits: Tensor = model(images, tta=tta) if isinstance(model, Model) else model(images)
    return logits


def map_batches(
    plan: Sequence[Tensor],
    shoes_of: Callable[[Iterable[Tensor]], Iterable[Tensor]],
    work: Callable[[Tensor], Tensor],
    like: Tensor,
) -> Tensor:
    """What `work` gives for the shoes of each batch; of several ranks each works a part of the batches.

    Args:
        plan: numbers of pairs or students, batch after batch.
        shoes_of: the shoes of these, such as `Pairing.pairs`.
        work: gives a row for each of them, which follows from its own shoes alone.
        like: a row, for its shape and type.

    Returns:
        (P, *row) on the CPU in the order of the plan, the same on all ranks.
    """
    result = like.new_zeros((sum(map(len, plan)), *like.shape))
    places = torch.split(torch.arange(len(result)), [len(which) for which in plan])
    mine = slice(distributed.rank(), None, distributed.size())
    for place, shoes in zip(places[mine], shoes_of(plan[mine]), strict=True):
        result[place] = work(shoes).to("cpu")
    return distributed.summed(result)


def logits(model: nn.Module, data: Pairing, batch_size: int = SCORED, *, tta: bool = True) -> Tensor:
    """The model's answer to every pair: (P, 2) float32 on the CPU, different and same; `tta` as in `Model.forward`."""
    model.eval()
    with torch.inference_mode():
        if isinstance(model, Model) and model.whole_students:
            count = max(1, batch_size // 6)  # students at a time: 6 photos and 9 pairs each
            students, place = torch.unique(data.shoes[:, 0], return_inverse=True)
            plan, work = torch.split(students, count), model.combinations
            nine = map_batches(plan, data.students, work, torch.zeros(3, 3, CLASSES))  # (N, 3, 3, 2)
            return nine[place, data.shoes[:, 1], data.shoes[:, 2]]
        plan = torch.split(torch.arange(len(data.same)), batch_size)
        return map_batches(plan, data.pairs, partial(pair_logits, model, tta=tta), torch.zeros(CLASSES))


def accuracies(model: nn.Module, data: Pairing, batch_size: int = SCORED, *, tta: bool = True) -> tuple[float, float]:
    """Positive and negative accuracy: the share of same pairs called same, of different ones called different."""
    called_same = logits(model, data, batch_size, tta=tta).argmax(1) == 1
    right = called_same == (data.same == 1)
    return right[data.same == 1].double().mean().item(), right[data.same == 0].double().mean().item()


def score(models: Mapping[str, Model], rows: pd.DataFrame, data: PairData) -> pd.DataFrame:
    """`Scores` rows, model after model: what every model says of every pair, given as `Pairs` rows and as photos."""
    small = {edge: data.at(edge) for edge in {model.config.edge for model in models.values()}}
    asked = progress.track(models.items(), "evaluate", "model")
    answers = {name: logits(model, small[model.config.edge]).numpy() for name, model in asked}
    return pd.concat([rows.assign(model=name, logit=both[:, 1] - both[:, 0]) for name, both in answers.items()])
