"""A graph network by hand: forward and backward pass with explicit derivatives, in NumPy without autograd.

    g_v  = sum of h_u over u = v and the neighbours of v
    h'_v = max(W g_v, 0)                                    a layer, W is (D', D), h a column vector
    s    = sum over v of h_v, after the last layer          the readout
    z    = q · s
    loss = cross-entropy of sigmoid(z) against t

With the nodes' vectors as rows of H (N, D), and the adjacency matrix A (N, N) with ones on the diagonal, a layer is
H' = max(A H Wᵀ, 0), with the gradients

    dW = (dpre)ᵀ (A H)         dH = Aᵀ (dpre) W         dpre = dH' where pre > 0, else 0

Every layer has a W. Layers share one if the same matrix is given for each; its gradient is then the sum of theirs
(`Gradients.shared_weight`).

On a grid whose nodes are joined to their eight neighbours, a layer is a 3x3 convolution with zero padding and nine
taps equal to W (tested). A graph has no directions, so its taps cannot differ.

Letters: N nodes, D values per node, M edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import ArrayLike

from shoepair.reports.analysis import numerics
from shoepair.reports.analysis.numerics import Floats, aligned_markdown_table, format_array
from shoepair.runtime.errors import ShoepairError

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """Graph, node vectors, parameters and target of the graph network.

    Raises:
        ShoepairError: an edge without a node, to itself or given twice; a shape does not fit; a value is not finite.
    """

    edges: Edges  # M pairs of nodes, numbered from 1; undirected, without v-v: every node includes itself
    h: Floats  # (N, D) vector of every node
    weights: tuple[Floats, ...]  # W of each layer, (D', D); D is the length of the vectors before it
    q: Floats  # (D,) weights of the readout, D after the last layer
    t: float  # target label, 0 or 1

    def __post_init__(self) -> None:
        checked = {
            "h": numerics.to_finite_array("features", self.h),
            "weights": tuple(
                numerics.to_finite_array(f"weight of layer {i}", w) for i, w in enumerate(self.weights, start=1)
            ),
            "q": numerics.to_finite_array("q", self.q),
            "t": numerics.to_target_probability(self.t),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the class is frozen
        if self.h.ndim != 2:
            message = f"features: {self.h.ndim} dimensions, expected one vector per node"
            raise ShoepairError(message)
        _raise_if_bad_edges(self.edges, len(self.h))
        _raise_if_misfit(self.h.shape[1], self.weights, self.q)


def _raise_if_bad_edges(edges: Edges, node_count: int) -> None:
    checked: set[frozenset[int]] = set()
    for one, other in edges:
        for node in (one, other):
            if not 1 <= node <= node_count:
                message = f"edges: {one}-{other} has node {node}, but features has nodes 1 to {node_count}"
                raise ShoepairError(message, fix="add a row of features for the node, or correct the edge")
        if one == other:
            message = f"edges: {one}-{other} joins a node to itself, which every node includes already"
            raise ShoepairError(message, fix="remove the edge")
        if frozenset((one, other)) in checked:
            message = f"edges: {one}-{other} is given twice (edges have no direction)"
            raise ShoepairError(message, fix="remove one of them")
        checked.add(frozenset((one, other)))


def _raise_if_misfit(width: int, weights: tuple[Floats, ...], q: Floats) -> None:
    if not weights:
        message = "weights: no layers, expected at least one matrix"
        raise ShoepairError(message)
    for i, weight in enumerate(weights, start=1):
        if weight.ndim != 2 or weight.shape[1] != width:
            shape = " x ".join(map(str, weight.shape))
            message = f"weight of layer {i}: {shape}, expected {width} columns, one per element of its input vectors"
            raise ShoepairError(message)
        width = len(weight)
    if q.shape != (width,):
        message = f"q: {format_array(q)} of shape {q.shape}, expected {width} numbers, one per row of the last weight"
        raise ShoepairError(message)


EXAMPLE = Problem(
    edges=((1, 2), (2, 3), (2, 4), (3, 4)),
    h=np.array([[1.0, 1], [0, 1], [1, 0], [-1, 0]]),
    weights=(np.array([[1.0, 2], [0, 1]]),),
    q=np.array([1.0, 1]),
    t=0.0,
)


@dataclass(frozen=True, eq=False)
class LayerValues:
    """Intermediate values of one layer: g = A H, pre = g Wᵀ, h = max(pre, 0); a row per node."""

    g: Floats
    pre: Floats
    h: Floats


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """Intermediate values of the forward pass: layers, readout s, logit z, its sigmoid, the loss in nats."""

    layers: tuple[LayerValues, ...]
    readout: Floats
    logit: float
    probability: float
    loss: float


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the loss by the logit, q, the W of each layer and the node vectors h."""

    logit: float
    q: Floats
    weights: tuple[Floats, ...]
    h: Floats

    @property
    def shared_weight(self) -> Floats:
        """The gradient of a W shared by all layers: the sum over the layers."""
        return np.asarray(np.sum(self.weights, axis=0))


def adjacency_matrix(edges: Edges, node_count: int) -> Floats:
    """Return the (N, N) adjacency matrix with ones on the diagonal; symmetric."""
    adjacency = np.eye(node_count)
    for one, other in edges:
        adjacency[one - 1, other - 1] = adjacency[other - 1, one - 1] = 1
    return adjacency


def apply_layer(adjacency: Floats, node_vectors: Floats, weight: Floats) -> LayerValues:
    """Apply one graph layer, max(A H W^T, 0): (N, N), (N, D) and (D', D) to (N, D')."""
    g = adjacency @ node_vectors  # (N, D)
    pre = g @ weight.T  # (N, D'), row v is W g_v
    return LayerValues(g, pre, np.maximum(pre, 0))


def forward(problem: Problem) -> ForwardPass:
    """Run the forward pass; return all intermediate values and the loss.

    Raises:
        ShoepairError: a value leaves the range of float64.
    """
    adjacency, h, layers = adjacency_matrix(problem.edges, len(problem.h)), problem.h, []
    with np.errstate(over="ignore", invalid="ignore"):
        for weight in problem.weights:
            layers.append(apply_layer(adjacency, h, weight))
            h = layers[-1].h
        readout = h.sum(axis=0)  # (D,)
        logit = float(problem.q @ readout)
        numerics.raise_if_overflow({"readout": readout, "logit": logit})
    return ForwardPass(tuple(layers), readout, *numerics.logit_probability_loss(logit, problem.t))


def backward(problem: Problem, forward_pass: ForwardPass) -> Gradients:
    """Run the backward pass by the chain rule; return the gradients of the loss.

    ReLU's derivative at exactly 0 is taken as 0, as torch does.

    Raises:
        ShoepairError: a gradient leaves the range of float64.
    """
    adjacency = adjacency_matrix(problem.edges, len(problem.h))
    by_weights: list[Floats] = []
    with np.errstate(over="ignore", invalid="ignore"):
        logit = forward_pass.probability - problem.t
        by_q = logit * forward_pass.readout
        by_h = np.tile(logit * problem.q, (len(problem.h), 1))  # (N, D): the same for every node
        for weight, layer in zip(reversed(problem.weights), reversed(forward_pass.layers), strict=True):
            by_pre = by_h * (layer.pre > 0)  # (N, D')
            by_weights.insert(0, by_pre.T @ layer.g)  # (D', D)
            by_h = adjacency.T @ by_pre @ weight  # (N, D)
        by_name = {f"gradient of the weight of layer {i}": dw for i, dw in enumerate(by_weights, start=1)}
        numerics.raise_if_overflow({"gradient of q": by_q, **by_name, "gradient of the features": by_h})
    return Gradients(logit, by_q, tuple(by_weights), by_h)


def grid_edges(height: int, width: int) -> Edges:
    """Return the edges of a grid graph with up to eight neighbours per node; nodes row by row, from 1."""
    nodes = enumerate(product(range(height), range(width)), start=1)
    return tuple(
        (one, other)
        for (one, (a, b)), (other, (i, j)) in combinations(nodes, 2)
        if abs(a - i) <= 1 and abs(b - j) <= 1
    )


def steps_as_markdown(problem: Problem) -> str:
    """Format forward and backward pass, step by step, as Markdown tables."""
    values = forward(problem)
    parts = [_given_table(problem)]
    node_vectors = problem.h
    for number, layer in enumerate(values.layers, start=1):
        parts += [f"Layer {number}: the sum over each node and its neighbours, then W, then ReLU"]
        parts += [_layer_table(problem.edges, node_vectors, layer)]
        node_vectors = layer.h
    parts += ["Readout and loss", _loss_table(problem, values)]
    parts += ["Backward: dz is the derivative of the loss by z", _gradient_table(problem, values)]
    return "\n\n".join(parts)


def _given_table(problem: Problem) -> str:
    edges = ", ".join(f"{one}-{other}" for one, other in problem.edges) or "none"
    rows = [["edges", edges], ["h", format_array(problem.h)]]
    rows += [
        [f"W{number}, of layer {number}", format_array(weight)]
        for number, weight in enumerate(problem.weights, start=1)
    ]
    return aligned_markdown_table(
        ["given", "value"], [*rows, ["q", format_array(problem.q)], ["t", format_array(problem.t)]]
    )


def _layer_table(edges: Edges, node_vectors: Floats, layer_values: LayerValues) -> str:
    rows = []
    for v, joined in enumerate(adjacency_matrix(edges, len(node_vectors)) > 0):
        nodes = np.flatnonzero(joined)
        total = f"{' + '.join(format_array(node_vectors[u]) for u in nodes)} = {format_array(layer_values.g[v])}"
        rows.append(
            [
                str(v + 1),
                ", ".join(str(u + 1) for u in nodes),
                total,
                format_array(layer_values.pre[v]),
                format_array(layer_values.h[v]),
            ]
        )
    return aligned_markdown_table(["v", "v and neighbours", "g_v, sum of their h", "W g_v", "h'_v"], rows)


def _loss_table(problem: Problem, forward_pass: ForwardPass) -> str:
    total = " + ".join(format_array(h) for h in forward_pass.layers[-1].h)
    steps = [
        ["s", f"sum of all h = {total}", format_array(forward_pass.readout)],
        [
            "z",
            f"q · s = {format_array(problem.q)} · {format_array(forward_pass.readout)}",
            format_array(forward_pass.logit),
        ],
    ]
    return numerics.forward_pass_end_markdown(steps, forward_pass.probability, forward_pass.loss, problem.t, 11)


def _gradient_table(problem: Problem, forward_pass: ForwardPass) -> str:
    gradients = backward(problem, forward_pass)
    rows: dict[str, tuple[str, ArrayLike]] = {"dq": ("dz s", gradients.q)}
    for number, by_weight in enumerate(gradients.weights, start=1):
        rows[f"dW{number}"] = ("Σ_v dpre_v g_vᵀ", by_weight)
    if len(problem.weights) > 1 and all(np.array_equal(problem.weights[0], weight) for weight in problem.weights):
        rows["dW"] = ("their sum, for a shared W", gradients.shared_weight)
    rows["dh"] = ("Aᵀ dpre W1", gradients.h)
    return numerics.backward_pass_markdown(gradients.logit, rows)


def chapter_markdown() -> str:
    """Return the chapter on the graph network, with a worked example, as Markdown."""
    return f"""
## A graph network by hand

Every node sums its vector and its neighbours', followed by W and ReLU: h'_v = max(W Σ h_u, 0). The readout sums all
nodes; q maps it to a logit. The assignment's published solution has [4, 1] for node 1 and so [13, 5] for the sum, and
the gradient of W transposed.

{steps_as_markdown(EXAMPLE)}
"""
