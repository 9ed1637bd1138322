"""Inference: logits, accuracies and scores of models on pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from shoepair.data.pair_dataset import InMemoryPairs, PairSource
from shoepair.models import distributed, module_interface
from shoepair.models.base import NUM_CLASSES, Model
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError

SCORING_BATCH_SIZE = 64  # pairs scored at a time; no result depends on it beyond rounding


def compute_class_logits_of_pairs(model: nn.Module, shoes: Tensor, *, tta: bool = True) -> Tensor:
    """Return a model's logits for shoe photos (G, L, 2, S, S, 3): (G L L, 2), different and same.

    L is 1 for models that are trained on pairs. The model is any module that takes pair images; `tta` as in
    `Model.forward`.
    """
    if isinstance(model, Model) and model.trains_on_students:
        return model.forward_all_pairs(shoes, tta=tta).flatten(0, 2)
    images = shoes.flatten(1, 3).movedim(3, 1)  # (G, 3, 2S, S), channels last in memory
    if not isinstance(model, Model):
        return module_interface.compute_module_logits(model, images)
    logits: Tensor = model(images, tta=tta)
    return logits


def map_mini_batches_over_ranks(
    mini_batches: Sequence[Tensor],
    load_shoes: Callable[[Iterable[Tensor]], Iterable[Tensor]],
    compute: Callable[[Tensor], Tensor],
    row_template: Tensor,
) -> Tensor:
    """Apply a function to the photos of each mini-batch, split among the ranks; return all rows in order.

    Args:
        mini_batches: numbers of pairs or students.
        load_shoes: yields their photos, such as `PairSource.iter_pair_photos`.
        compute: returns a row for each of them, which depends on its own photos alone.
        row_template: a row, for its shape and type.

    Returns:
        (P, *row) on the CPU, in the order of the mini-batches, the same on all ranks.
    """
    result = row_template.new_zeros((sum(map(len, mini_batches)), *row_template.shape))
    rows = torch.split(torch.arange(len(result)), [len(indices) for indices in mini_batches])
    own = slice(distributed.get_rank(), None, distributed.get_world_size())
    for positions, shoes in zip(rows[own], load_shoes(mini_batches[own]), strict=True):
        result[positions] = compute(shoes).to(result)  # device and type
    return distributed.all_reduce_sum_in_place(result)


def predict_logits(
    model: nn.Module, pairs: PairSource, batch_size: int = SCORING_BATCH_SIZE, *, tta: bool = True
) -> Tensor:
    """Return a model's logits for every pair: (P, 2) float32 on the CPU, different and same."""
    model.eval()
    # Not inference_mode: what a module keeps from it, such as layers initialised by it, could never be trained.
    with torch.no_grad():
        if isinstance(model, Model) and model.trains_on_students:
            students, position = torch.unique(pairs.pair_index[:, 0], return_inverse=True)
            plan = torch.split(students, max(1, batch_size // 6))  # 6 photos and 9 pairs per student
            template = torch.zeros(3, 3, NUM_CLASSES)
            score = partial(model.forward_all_pairs, tta=tta)
            logits = map_mini_batches_over_ranks(plan, pairs.iter_student_photos, score, template)
            return logits[position, pairs.pair_index[:, 1], pairs.pair_index[:, 2]]  # from (N, 3, 3, 2)
        plan, template = torch.split(torch.arange(len(pairs.same)), batch_size), torch.zeros(NUM_CLASSES)
        compute = partial(compute_class_logits_of_pairs, model, tta=tta)
        return map_mini_batches_over_ranks(plan, pairs.iter_pair_photos, compute, template)


def positive_and_negative_accuracy(
    model: nn.Module, pairs: PairSource, batch_size: int = SCORING_BATCH_SIZE, *, tta: bool = True
) -> tuple[float, float]:
    """Return the accuracy on same pairs (TPR) and the accuracy on different pairs (TNR)."""
    is_predicted_same = predict_logits(model, pairs, batch_size, tta=tta).argmax(1) == 1
    is_correct = is_predicted_same == (pairs.same == 1)
    return is_correct[pairs.same == 1].double().mean().item(), is_correct[pairs.same == 0].double().mean().item()


def raise_if_not_finite(logits: Tensor, model_name: str) -> None:
    """Raise a ShoepairError if a logit is no finite number: no answer and no metric can be made of it."""
    if not torch.isfinite(logits).all():
        message = f"models/{model_name}.safetensors: gives logits that are not finite numbers, expected finite ones"
        raise ShoepairError(message, fix=f"delete it and run `dvc repro train@{model_name}`, which trains it")


def pair_score_rows(models: Mapping[str, Model], pair_rows: pd.DataFrame, pairs: InMemoryPairs) -> pd.DataFrame:
    """Compute every model's logit (same minus different) for every pair; return `Scores` rows, model by model.

    Raises:
        ShoepairError: a logit is not finite.
    """
    pairs_of = {edge: pairs.downsample(edge) for edge in {model.config.edge for model in models.values()}}
    tables = []
    for name, model in progress.track(models.items(), "evaluate", "model"):
        tables.append(
            pair_rows.assign(model=name, logit=score_model(name, model, pairs_of[model.config.edge]).numpy())
        )
    return pd.concat(tables)


def score_model(name: str, model: Model, pairs: PairSource) -> Tensor:
    """Return a model's logit of every pair, same minus different: (P,) float32 on the CPU.

    Raises:
        ShoepairError: a logit is not finite.
    """
    two = predict_logits(model, pairs)  # (P, 2)
    logits = two[:, 1] - two[:, 0]
    raise_if_not_finite(logits, name)
    return logits
