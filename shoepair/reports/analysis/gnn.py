"""A graph network by hand: forward, and backward by derivatives written out, in NumPy without autograd.

    g_v  = sum of h_u over u = v and the neighbours of v
    h'_v = max(W g_v, 0)                                    a layer, W is (D', D), h a column vector
    s    = sum over v of h_v, after the last layer          the readout
    z    = q · s
    loss = cross-entropy of sigmoid(z) against t

With the nodes' vectors as rows of H (N, D), and A (N, N) the adjacency with ones on the diagonal, a layer is
H' = max(A H Wᵀ, 0), and its gradients are

    dW = (dpre)ᵀ (A H)         dH = Aᵀ (dpre) W         dpre = dH' where pre > 0, else 0

Every layer has a W of its own. Layers that share one W are the same matrix given for each; the gradient of the shared
matrix is then the sum of theirs (`Gradients.shared`).

The point of the chapter: on a grid whose nodes are joined to their eight neighbours, a layer is a 3x3 convolution with
zero padding whose nine taps are all W (a test). A graph has no up and no left, so no tap can differ.

Letters: N nodes, D values per node, M edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import ArrayLike

from shoepair.reports.analysis import arrays
from shoepair.reports.analysis.arrays import Floats, show, table
from shoepair.runtime.errors import ShoepairError

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """Graph, features, parameters and label of the network.

    Raises:
        ShoepairError: an edge leads to no node, to itself or is there twice; shapes do not fit; a value is not finite.
    """

    edges: Edges  # M pairs of nodes, numbered from 1; undirected, and without v-v, since a node always counts itself
    h: Floats  # (N, D) vector of every node
    weights: tuple[Floats, ...]  # W of each layer, (D', D): as many columns as the vectors before it have places
    q: Floats  # (D,) of the readout, D after the last layer
    t: float  # label, 0 or 1

    def __post_init__(self) -> None:
        checked = {
            "h": arrays.finite("features", self.h),
            "weights": tuple(arrays.finite(f"weight of layer {i}", w) for i, w in enumerate(self.weights, start=1)),
            "q": arrays.finite("q", self.q),
            "t": arrays.target(self.t),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # frozen: the one place that sets
        if self.h.ndim != 2:
            found = f"features: {self.h.ndim} dimensions, expected one vector per node"
            raise ShoepairError(found)
        _refuse_edges(self.edges, len(self.h))
        _refuse_misfit(self.h.shape[1], self.weights, self.q)


def _refuse_edges(edges: Edges, nodes: int) -> None:
    joined: set[frozenset[int]] = set()
    for one, other in edges:
        for node in (one, other):
            if not 1 <= node <= nodes:
                found = f"edges: {one}-{other} leads to node {node}, but features has the nodes 1 to {nodes}"
                raise ShoepairError(found, fix="give every node a row of features, or correct the edge")
        if one == other:
            found = f"edges: {one}-{other} joins a node to itself, and every node counts itself already"
            raise ShoepairError(found, fix="leave the edge out")
        if frozenset((one, other)) in joined:
            found = f"edges: {one}-{other} is there twice (edges have no direction)"
            raise ShoepairError(found, fix="leave one of them out")
        joined.add(frozenset((one, other)))


def _refuse_misfit(width: int, weights: tuple[Floats, ...], q: Floats) -> None:
    if not weights:
        found = "weights: no layers, expected at least one matrix"
        raise ShoepairError(found)
    for i, weight in enumerate(weights, start=1):
        if weight.ndim != 2 or weight.shape[1] != width:
            given = " x ".join(map(str, weight.shape))
            found = f"weight of layer {i}: {given}, expected {width} columns, one per place of the vectors before it"
            raise ShoepairError(found)
        width = len(weight)
    if q.shape != (width,):
        found = f"q: {show(q)} of shape {q.shape}, expected {width} numbers, one per row of the last weight"
        raise ShoepairError(found)


EXAMPLE = Problem(
    edges=((1, 2), (2, 3), (2, 4), (3, 4)),
    h=np.array([[1.0, 1], [0, 1], [1, 0], [-1, 0]]),
    weights=(np.array([[1.0, 2], [0, 1]]),),
    q=np.array([1.0, 1]),
    t=0.0,
)


@dataclass(frozen=True, eq=False)
class Layer:
    """Intermediate values of one layer: g = A H, pre = g Wᵀ, h = max(pre, 0); a row per node."""

    g: Floats
    pre: Floats
    h: Floats


@dataclass(frozen=True, eq=False)
class Forward:
    """Every intermediate value: the layers, readout s, logit z, its sigmoid, the loss in nats."""

    layers: tuple[Layer, ...]
    readout: Floats
    logit: float
    probability: float
    loss: float


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the loss by the logit, q, the W of each layer and the nodes' own vectors h."""

    logit: float
    q: Floats
    weights: tuple[Floats, ...]
    h: Floats

    @property
    def shared(self) -> Floats:
        """The gradient of one W that all layers share: the sum over the layers."""
        return np.asarray(np.sum(self.weights, axis=0))


def adjacency(edges: Edges, nodes: int) -> Floats:
    """(N, N) ones where two nodes are joined and on the diagonal, else zeros; symmetric."""
    joined = np.eye(nodes)
    for one, other in edges:
        joined[one - 1, other - 1] = joined[other - 1, one - 1] = 1
    return joined


def layer(joined: Floats, h: Floats, weight: Floats) -> Layer:
    """One layer: (N, N), (N, D) and (D', D) to (N, D')."""
    g = joined @ h  # (N, D)
    pre = g @ weight.T  # (N, D'), row v is W g_v
    return Layer(g, pre, np.maximum(pre, 0))


def forward(problem: Problem) -> Forward:
    """From the nodes' vectors to the loss.

    Raises:
        ShoepairError: a value leaves the range of float64.
    """
    joined, h, layers = adjacency(problem.edges, len(problem.h)), problem.h, []
    with np.errstate(over="ignore", invalid="ignore"):
        for weight in problem.weights:
            layers.append(layer(joined, h, weight))
            h = layers[-1].h
        readout = h.sum(axis=0)  # (D,)
        logit = float(problem.q @ readout)
        arrays.refuse_overflow({"readout": readout, "logit": logit})
    return Forward(tuple(layers), readout, *arrays.outcome(logit, problem.t))


def backward(problem: Problem, values: Forward) -> Gradients:
    """From loss to the gradients, by the chain rule, from the last layer to the first.

    ReLU's derivative at exactly 0 is taken as 0, as torch does.

    Raises:
        ShoepairError: a gradient leaves the range of float64.
    """
    joined = adjacency(problem.edges, len(problem.h))
    by_weights: list[Floats] = []
    with np.errstate(over="ignore", invalid="ignore"):
        logit = values.probability - problem.t
        by_q = logit * values.readout
        by_h = np.tile(logit * problem.q, (len(problem.h), 1))  # (N, D): the readout gives every node the same
        for weight, made in zip(reversed(problem.weights), reversed(values.layers), strict=True):
            by_pre = by_h * (made.pre > 0)  # (N, D')
            by_weights.insert(0, by_pre.T @ made.g)  # (D', D)
            by_h = joined.T @ by_pre @ weight  # (N, D)
        by_name = {f"gradient of the weight of layer {i}": each for i, each in enumerate(by_weights, start=1)}
        arrays.refuse_overflow({"gradient of q": by_q, **by_name, "gradient of the features": by_h})
    return Gradients(logit, by_q, tuple(by_weights), by_h)


def grid(height: int, width: int) -> Edges:
    """Edges of a grid in which every node is joined to its up to eight neighbours; nodes row by row, from 1."""
    nodes = enumerate(product(range(height), range(width)), start=1)
    return tuple(
        (one, other)
        for (one, (a, b)), (other, (i, j)) in combinations(nodes, 2)
        if abs(a - i) <= 1 and abs(b - j) <= 1
    )


def describe(problem: Problem) -> str:
    """All steps as tables."""
    values = forward(problem)
    parts = [_given_table(problem)]
    before = problem.h
    for number, made in enumerate(values.layers, start=1):
        parts += [f"Layer {number}: every node adds up itself and its neighbours, then W, then ReLU"]
        parts += [_layer_table(problem.edges, before, made)]
        before = made.h
    parts += ["Readout and loss", _loss_table(problem, values)]
    parts += ["Backward: dz is short for the derivative of the loss by z", _gradient_table(problem, values)]
    return "\n\n".join(parts)


def _given_table(problem: Problem) -> str:
    edges = ", ".join(f"{one}-{other}" for one, other in problem.edges) or "none"
    rows = [["edges", edges], ["h", show(problem.h)]]
    rows += [[f"W{number}, of layer {number}", show(weight)] for number, weight in enumerate(problem.weights, start=1)]
    return table(["given", "value"], [*rows, ["q", show(problem.q)], ["t", show(problem.t)]])


def _layer_table(edges: Edges, before: Floats, made: Layer) -> str:
    rows = []
    for v, near in enumerate(adjacency(edges, len(before)) > 0):
        nodes = np.flatnonzero(near)
        total = f"{' + '.join(show(before[u]) for u in nodes)} = {show(made.g[v])}"
        rows.append([str(v + 1), ", ".join(str(u + 1) for u in nodes), total, show(made.pre[v]), show(made.h[v])])
    return table(["v", "itself and neighbours", "g_v, the sum of their h", "W g_v", "h'_v"], rows)


def _loss_table(problem: Problem, values: Forward) -> str:
    total = " + ".join(show(each) for each in values.layers[-1].h)
    steps = [
        ["s", f"sum of all h = {total}", show(values.readout)],
        ["z", f"q · s = {show(problem.q)} · {show(values.readout)}", show(values.logit)],
    ]
    return arrays.loss_table(steps, values.probability, values.loss, problem.t, 11)


def _gradient_table(problem: Problem, values: Forward) -> str:
    gradients = backward(problem, values)
    rows: dict[str, tuple[str, ArrayLike]] = {"dq": ("dz s", gradients.q)}
    for number, by_weight in enumerate(gradients.weights, start=1):
        rows[f"dW{number}"] = ("Σ_v dpre_v g_vᵀ", by_weight)
    if len(problem.weights) > 1 and all(np.array_equal(problem.weights[0], weight) for weight in problem.weights):
        rows["dW"] = ("their sum, if the layers share W", gradients.shared)
    rows["dh"] = ("Aᵀ dpre W1", gradients.h)
    return arrays.derivatives(gradients.logit, rows)


def chapter() -> str:
    """The assignment's example, explained, as Markdown."""
    return f"""
## A graph network by hand

Every node adds up its own vector and its neighbours', then W and ReLU: h'_v = max(W Σ h_u, 0). The readout adds up all
nodes; q makes a logit of it. The assignment's published solution has [4, 1] for node 1 and so [13, 5] for the sum, and
the gradient of W transposed.

{describe(EXAMPLE)}
"""
