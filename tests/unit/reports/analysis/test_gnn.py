"""The graph network by hand: the assignment's numbers, autograd, and the convolution that it is on a grid."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from shoepair.reports.analysis import gnn
from shoepair.runtime.errors import ShoepairError


def by_torch(problem: gnn.Problem) -> dict[str, Any]:
    """The same network by torch, with autograd, node by node as the assignment writes it."""
    values = {"h": problem.h, "q": problem.q, **{f"w{i}": weight for i, weight in enumerate(problem.weights)}}
    leaf = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    neighbours: dict[int, set[int]] = {v: {v} for v in range(len(problem.h))}
    for one, other in problem.edges:
        neighbours[one - 1].add(other - 1)
        neighbours[other - 1].add(one - 1)
    h = list(leaf["h"])
    for i in range(len(problem.weights)):
        messages = [leaf[f"w{i}"] @ vector for vector in h]
        h = [F.relu(torch.stack([messages[u] for u in sorted(neighbours[v])]).sum(0)) for v in range(len(h))]
    logit = leaf["q"] @ torch.stack(h).sum(0)
    loss = F.binary_cross_entropy_with_logits(logit, torch.tensor(problem.t, dtype=torch.float64))
    torch.autograd.backward(loss)
    return {**{name: tensor.grad for name, tensor in leaf.items()}, "logit": logit.item(), "loss": loss.item()}


def test_numbers_of_the_assignment() -> None:
    values = gnn.forward(gnn.EXAMPLE)
    np.testing.assert_array_equal(values.layers[0].h, [[5, 2], [5, 2], [2, 1], [2, 1]])
    np.testing.assert_array_equal(values.readout, [14, 6])
    assert values.logit == 20
    gradients = gnn.backward(gnn.EXAMPLE, values)
    assert gradients.logit == pytest.approx(0.99999999794, abs=5e-12)
    np.testing.assert_allclose(gradients.q, 0.99999999794 * np.array([14, 6]), rtol=1e-11)
    np.testing.assert_allclose(gradients.weights[0], 0.99999999794 * np.array([[2, 6], [2, 6]]), rtol=1e-11)


def test_published_solution_is_named() -> None:
    assert (
        "has [4, 1] for node 1 and so [13, 5] for the sum, and\nthe gradient of W transposed" in gnn.chapter_markdown()
    )
    assert "0.99999999794" in gnn.chapter_markdown()


@st.composite
def problems(draw: st.DrawFn) -> gnn.Problem:
    """Random graphs, one to three layers of many widths; integers meet ReLU's corner at 0 exactly."""
    nodes = draw(st.integers(1, 8))
    pairs = list(combinations(range(1, nodes + 1), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    integers = draw(st.booleans())

    def values(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return rng.integers(-2, 3, shape).astype(np.float64) if integers else rng.standard_normal(shape) / 2

    weights = tuple(values(after, before) for before, after in pairwise(widths))
    t = draw(st.sampled_from([0.0, 1.0, 0.25]))
    return gnn.Problem(tuple(edges), values(nodes, widths[0]), weights, values(widths[-1]), t)


@given(problems())
@settings(deadline=None, max_examples=120)
def test_gradients_are_those_of_autograd(problem: gnn.Problem) -> None:
    values, expected = gnn.forward(problem), by_torch(problem)
    gradients = gnn.backward(problem, values)
    computed: dict[str, Any] = {"logit": values.logit, "loss": values.loss, "q": gradients.q, "h": gradients.h}
    computed |= {f"w{i}": weight for i, weight in enumerate(gradients.weights)}
    for name, value in computed.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-10, err_msg=name)


def test_gradient_of_a_shared_weight_is_the_sum_over_the_layers() -> None:
    shared = np.array([[0.5, 0.2], [0.1, 0.3]])
    problem = replace(gnn.EXAMPLE, weights=(shared, shared, shared), t=1.0)
    gradient = gnn.backward(problem, gnn.forward(problem)).shared_weight
    weight = torch.tensor(shared, requires_grad=True)
    adjacency, h = torch.tensor(gnn.adjacency_matrix(problem.edges, 4)), torch.tensor(problem.h)
    for _ in range(3):
        h = F.relu(adjacency @ h @ weight.T)
    logit = torch.tensor(problem.q) @ h.sum(0)
    torch.autograd.backward(F.binary_cross_entropy_with_logits(logit, torch.tensor(1.0).double()))
    assert weight.grad is not None
    np.testing.assert_allclose(gradient, weight.grad, rtol=0, atol=1e-12)
    assert "their sum, for a shared W" in gnn.steps_as_markdown(problem)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_layer_on_a_grid_is_a_convolution_with_a_constant_kernel(
    height: int, width: int, before: int, after: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    maps, weight = rng.standard_normal((height, width, before)), rng.standard_normal((after, before))
    adjacency = gnn.adjacency_matrix(gnn.grid_edges(height, width), height * width)
    layer = gnn.apply_layer(adjacency, maps.reshape(-1, before), weight)
    kernel = torch.tensor(weight)[:, :, None, None].expand(after, before, 3, 3)
    expected = F.conv2d(torch.tensor(maps).permute(2, 0, 1)[None], kernel, padding=1)[0].permute(1, 2, 0)
    np.testing.assert_allclose(layer.pre.reshape(height, width, after), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.h.reshape(height, width, after), F.relu(expected), rtol=0, atol=1e-12)


@given(problems(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_order_of_the_nodes_does_not_matter(problem: gnn.Problem, random: Any) -> None:
    order = list(range(len(problem.h)))
    random.shuffle(order)
    position = {node: i for i, node in enumerate(order)}
    edges = tuple((position[one - 1] + 1, position[other - 1] + 1) for one, other in problem.edges)
    renamed = replace(problem, edges=edges, h=problem.h[order])
    assert gnn.forward(renamed).logit == pytest.approx(gnn.forward(problem).logit, rel=1e-9, abs=1e-9)


def test_grid_has_the_eight_neighbours() -> None:
    adjacency = gnn.adjacency_matrix(gnn.grid_edges(3, 3), 9)
    assert adjacency.sum(axis=1).tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edges": ((1, 2), (2, 5))}, "edges: 2-5 has node 5, but features has nodes 1 to 4"),
        ({"edges": ((0, 2),)}, "edges: 0-2 has node 0, but features has nodes 1 to 4"),
        ({"edges": ((3, 3),)}, "edges: 3-3 joins a node to itself"),
        ({"edges": ((1, 2), (2, 1))}, "edges: 2-1 is given twice"),
        ({"h": np.array([1.0, 2])}, "features: 1 dimensions, expected one vector per node"),
        (
            {"h": np.array([[1, 1], [0, np.nan], [1, 0], [0, 0]])},
            "features, value 2, 2: nan, expected a finite number",
        ),
        ({"h": np.ones((4, 3))}, "weight of layer 1: 2 x 2, expected 3 columns"),
        ({"weights": ()}, "weights: no layers"),
        ({"weights": (np.eye(2), np.ones((2, 3)))}, "weight of layer 2: 2 x 3, expected 2 columns"),
        ({"weights": (np.ones(2),)}, "weight of layer 1: 2, expected 2 columns"),
        ({"weights": (np.array([[1, np.inf], [0, 1]]),)}, "weight of layer 1, value 1, 2: inf"),
        ({"q": np.ones(3)}, r"q: \[1, 1, 1\] of shape \(3,\), expected 2 numbers, one per row of the last weight"),
        ({"q": np.array([np.nan, 1])}, "q, value 1: nan"),
        ({"t": -0.5}, "target: -0.5, expected 0"),
    ],
)
def test_errors_name_the_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ShoepairError, match=message):
        replace(gnn.EXAMPLE, **change)


def test_numbers_beyond_float64_are_refused() -> None:
    problem = replace(gnn.EXAMPLE, weights=(np.full((2, 2), 1e200),) * 2)
    with pytest.raises(ShoepairError, match="beyond the range of float64"):
        gnn.forward(problem)
