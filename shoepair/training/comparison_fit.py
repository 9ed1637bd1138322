"""Fits the comparison of a model on a pretrained network, without gradients: a logistic regression.

Training means of the described vectors first, then the numbers of all pairs of both views: they are standardised, and
the regression's weights follow by Newton's method, in double precision. scikit-learn has it too; every model that is
trained would then depend on its version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from shoepair.data.features_file import VIEWS
from shoepair.data.pair_dataset import PairSource
from shoepair.models.inference import map_mini_batches_over_ranks
from shoepair.models.pretrained import PretrainedModel
from shoepair.training.sharding import Shard

STUDENTS_AT_A_TIME = 4
PENALTY = 0.1  # times half the square of the weights, beside the sum over all pairs; 0.003 to 300 were tried
MAX_STEPS = 50
TOLERANCE = 1e-9  # of a step
MIN_DEVIATION = 1e-6


def fit_comparison(model: PretrainedModel, pairs: PairSource) -> None:
    """Fit training means, standardisation and weights of the comparison to all pairs of the students."""
    model.eval()
    fit_centers(model, pairs)
    with torch.no_grad():
        numbers = compute_numbers(model, pairs)
        same = torch.eye(3).bool()[None, :, :, None].expand(numbers.shape[:-1]).flatten()
        rows = numbers.flatten(0, 3)
        model.mean.copy_(rows.mean(dim=0))
        model.deviation.copy_(rows.std(dim=0, correction=0).clamp_min(MIN_DEVIATION))
        standardised = (rows - model.mean.cpu().double()) / model.deviation.cpu().double()
        weights = fit_logistic_regression(standardised, same)
        model.comparison.weight.copy_(weights[:-1].unsqueeze(0))
        model.comparison.bias.copy_(weights[-1:])


def fit_centers(model: PretrainedModel, pairs: PairSource) -> None:
    """Set the training means of the described vectors to those of the students."""
    sizes = [len(model.get_center(*name)) for name in model.center_names()]
    template = torch.zeros(sum(sizes), dtype=torch.float64)
    means = _map_over_students(pairs, partial(_mean_vectors, model), template)
    with torch.no_grad():
        for name, mean in zip(model.center_names(), torch.split(means.mean(dim=0), sizes), strict=True):
            model.get_center(*name).copy_(mean)


def compute_numbers(model: PretrainedModel, pairs: PairSource) -> Tensor:
    """Return the numbers of all pairs of each of N students, in both views: (N, 3, 3, V, 19) float64."""
    template = torch.zeros(3, 3, VIEWS, len(model.mean))
    return _map_over_students(
        pairs, lambda shoes: model.numbers_of_all_pairs(shoes[:, :, :, :VIEWS]), template
    ).double()


def _map_over_students(pairs: PairSource, compute: Callable[[Tensor], Tensor], template: Tensor) -> Tensor:
    plan = torch.split(torch.unique(pairs.pair_index[:, 0]), STUDENTS_AT_A_TIME)
    with torch.no_grad():
        return map_mini_batches_over_ranks(plan, pairs.iter_student_photos, compute, template)


def _mean_vectors(model: PretrainedModel, shoes: Tensor) -> Tensor:
    """Return the described vectors that have a training mean, averaged over photos and views: (G, ...) to (G, D)."""
    described = model.describe(shoes[:, :, :, :VIEWS].flatten(0, 3))
    vectors = torch.cat([described[f"{depth} {name}"] for depth, name in model.center_names()], dim=1)
    return vectors.double().reshape(len(shoes), -1, vectors.shape[1]).mean(dim=1)


def fit_logistic_regression(rows: Tensor, same: Tensor) -> Tensor:
    """Fit a logistic regression, both labels weighing alike.

    Args:
        rows: (P, D) float64, standardised.
        same: (P,) bool.

    Returns:
        (D + 1,) weights, the last one that of a constant, which has no penalty.
    """
    x = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
    labels = same.to(x.dtype)
    share = labels.mean().clamp(1 / len(rows), 1 - 1 / len(rows))
    pair_weights = torch.where(same, 0.5 / share, 0.5 / (1 - share))
    penalty = torch.full_like(x[0], PENALTY)
    penalty[-1] = 0

    def loss(weights: Tensor) -> Tensor:
        losses = functional.binary_cross_entropy_with_logits(x @ weights, labels, pair_weights, reduction="sum")
        return losses + (penalty * weights.square()).sum() / 2

    weights = torch.zeros_like(x[0])
    for _ in range(MAX_STEPS):
        predicted = torch.sigmoid(x @ weights)
        gradient = x.T @ (pair_weights * (predicted - labels)) + penalty * weights
        curvature = x.T @ ((pair_weights * predicted * (1 - predicted)).unsqueeze(1) * x) + torch.diag(penalty)
        step = torch.linalg.solve(curvature + 1e-12 * torch.eye(len(weights), dtype=x.dtype), gradient)
        while step.abs().max() > TOLERANCE and loss(weights - step) > loss(weights):
            step = step / 2
        weights = weights - step
        if step.abs().max() <= TOLERANCE:
            break
    return weights


def draw_view(shoes: Tensor, rng: torch.Generator, shard: Shard) -> Tensor:
    """Draw one view of each student, the same for all six photos: (G, 3, 2, V, K) to (G, 3, 2, 1, K)."""
    views = torch.randint(shoes.shape[3], (shard.total_rows,), generator=rng)[shard.rows].to(shoes.device)
    return shoes[torch.arange(len(shoes), device=shoes.device), :, :, views].unsqueeze(3)
