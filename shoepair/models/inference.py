"""Inference: logits, accuracies and scores of models on pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from shoepair.data import loading
from shoepair.data.pair_dataset import InMemoryPairs, PairSource, downsample_to_float, scale_to_centred_float
from shoepair.data.streaming import StreamedPairs
from shoepair.models import distributed, module_interface, registry
from shoepair.models.base import NUM_CLASSES, Model
from shoepair.models.pretrained import Description, PretrainedModel
from shoepair.runtime import progress
from shoepair.runtime.errors import ShoepairError

MAX_FEATURES_BYTES = 2**30  # more are streamed
SCORING_BATCH_SIZE = 64  # pairs scored at a time; no result depends on it beyond rounding
BLOCK_EDGE = 16  # lefts and rights of a block of `predict_logit_matrix`; likewise
DESCRIBED_AT_A_TIME = 4  # photos; of more, the maps are so large that each is new memory: twice the processor time


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


def is_symmetric(model: Model) -> bool:
    """Return whether a pair has the same logits with its sides swapped, up to rounding."""
    return not model.is_flip_sensitive or model.config.tta


def predict_logit_matrix(model: Model, photos: Tensor, wanted: Tensor, described: Description | None = None) -> Tensor:
    """Return the logits, same minus different, of many pairs among N shoes: (N, N) float64, the left shoe first.

    Models on a pretrained network embed and describe each photo once. Others that are trained on students embed each
    photo once for a block of `BLOCK_EDGE` left and as many right shoes; the rest score each pair.

    Args:
        model: in any mode; it is put into that of evaluation.
        photos: (N, S, S, 3): uint8, or float32 of -0.5..0.5; S the edge of the model, or a multiple of it.
        wanted: (N, N) bool, the pairs to score.
        described: what `PretrainedModel.describe_photos` returns of the photos, if it is known.

    Returns:
        NaN where not wanted.
    """
    model.eval()
    logits = torch.full(wanted.shape, torch.nan, dtype=torch.float64)
    with torch.inference_mode():
        for rows, columns, two in _iter_scored_pairs(model, photos, wanted, described):
            logits[rows, columns] = (two[..., 1] - two[..., 0]).double()
    return logits.masked_fill(~wanted, torch.nan)


def _iter_scored_pairs(
    model: Model, photos: Tensor, wanted: Tensor, described: Description | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield numbers of left and of right shoes, and the class logits of these pairs; all wanted ones, and others."""
    if isinstance(model, PretrainedModel):
        described = described or _describe_photos(model, photos)
        for lefts, rights in _iter_blocks(wanted):
            sides = ({name: values[:, side] for name, values in described.items()} for side in (lefts, rights))
            yield lefts[:, None], rights[None], model.compare_described(*sides)
        return
    shoes = downsample_to_float(photos[:, None, None], model.config.edge)[:, 0, 0]  # (N, S, S, 3)
    if model.trains_on_students:
        for lefts, rights in _iter_blocks(wanted):
            length = max(len(lefts), len(rights))
            group = torch.stack([shoes[_repeat(side, length)] for side in (lefts, rights)], dim=1)[None]
            two = model.forward_all_pairs(group)[0]  # (L, L, 2) of (1, L, 2, S, S, 3)
            yield lefts[:, None], rights[None], two[: len(lefts), : len(rights)]
        return
    for pairs in torch.split(wanted.nonzero(), SCORING_BATCH_SIZE):
        lefts, rights = pairs.unbind(1)
        group = torch.stack([shoes[lefts], shoes[rights]], dim=1)[:, None]  # (B, 1, 2, S, S, 3)
        yield lefts, rights, compute_class_logits_of_pairs(model, group)


def _describe_photos(model: PretrainedModel, photos: Tensor) -> Description:
    """Describe photos (N, S, S, 3), some at a time: rows (V, N, ...) by name."""
    parts = [
        model.describe_photos(scale_to_centred_float(part).movedim(3, 1))
        for part in torch.split(photos, DESCRIBED_AT_A_TIME)
    ]
    return {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}


def _iter_blocks(wanted: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield blocks that contain all wanted pairs: numbers of left and of right shoes, `BLOCK_EDGE` at most."""
    lefts, rights = (wanted.any(dim=dim).nonzero().flatten() for dim in (1, 0))
    for rows in torch.split(lefts, BLOCK_EDGE):
        for columns in torch.split(rights, BLOCK_EDGE):
            if wanted[rows[:, None], columns].any():
                yield rows, columns


def _repeat(numbers: Tensor, length: int) -> Tensor:
    """Repeat numbers from the first one on until there are `length`."""
    return numbers[torch.arange(length) % len(numbers)]


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
        raise ShoepairError(
            message, fix=f"delete it and run `dvc repro {registry.training_stage(model_name)}`, which trains it"
        )


def pair_score_rows(
    models: Mapping[str, Model], pair_rows: pd.DataFrame, pairs: InMemoryPairs | StreamedPairs
) -> pd.DataFrame:
    """Compute every model's logit (same minus different) for every pair; return `Scores` rows, model by model.

    Raises:
        ShoepairError: a logit is not finite.
    """
    from_photos = [model for model in models.values() if not isinstance(model, PretrainedModel)]
    pairs_of = {edge: pairs.downsample(edge) for edge in {model.config.edge for model in from_photos}}
    tables = []
    for name, model in progress.track(models.items(), "evaluate", "model"):
        source = _load_features(model, pair_rows) or pairs_of[model.config.edge]
        tables.append(pair_rows.assign(model=name, logit=score_model(name, model, source).numpy()))
    return pd.concat(tables)


def _load_features(model: Model, pair_rows: pd.DataFrame) -> PairSource | None:
    """Return pairs with the stored features of their photos, for a model on a pretrained network; else None."""
    if not isinstance(model, PretrainedModel):
        return None
    kind, device = model.features_kind, torch.device("cpu")
    return loading.load_or_stream_features(pair_rows, model.stored_names, kind, MAX_FEATURES_BYTES, device)


def score_model(name: str, model: Model, pairs: PairSource) -> Tensor:
    """Return a model's logit of every pair, same minus different: (P,) float32 on the CPU.

    Raises:
        ShoepairError: a logit is not finite.
    """
    two = predict_logits(model, pairs)  # (P, 2)
    logits = two[:, 1] - two[:, 0]
    raise_if_not_finite(logits, name)
    return logits
