"""A 1D convolution network by hand: forward, and backward by derivatives written out, in NumPy without autograd.

    pre_i  = sum_k w1_k · x_(i + k) + b1      i = 1..L, k = 0..K-1, L = T - K + 1
    h_i    = max(pre_i, 0)
    z      = sum_i w2_i h_i + b2
    loss   = cross-entropy of sigmoid(z) against t = ln(1 + exp(z)) - t z

Two choices, both deep learning's usual ones: the kernel is not flipped (what is called convolution is strictly a
cross-correlation), and it only goes where it fits entirely ("valid": stride 1, no padding), hence the length L.
A sequence of vectors is the same with a vector for every number: w1_k · x_(i + k) is then a scalar product, and the
places in the vector are what torch calls channels.

Letters: T inputs, K taps of the kernel, L = T - K + 1 hidden units, V places in a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shoepair.reports.analysis import arrays
from shoepair.reports.analysis.arrays import Floats, show, table
from shoepair.runtime.errors import ShoepairError


@dataclass(frozen=True, eq=False)
class Problem:
    """Input, parameters and label of the network.

    Raises:
        ShoepairError: shapes do not fit, the kernel is longer than the input, or a value is not finite.
    """

    x: Floats  # (T,) numbers or (T, V) vectors
    w1: Floats  # (K,) or (K, V), the kernel
    b1: float  # added to every window
    w2: Floats  # (L,) weights of the linear layer; one number stands for the same weight on every hidden unit
    b2: float  # added to the logit
    t: float  # label, 0 or 1

    def __post_init__(self) -> None:
        checked = {"x": arrays.finite("x", self.x), "w1": arrays.finite("kernel", self.w1), "t": arrays.target(self.t)}
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # frozen: the one place that sets
        arrays.finite("b1", self.b1)
        arrays.finite("b2", self.b2)
        _refuse_misfit(self.x, self.w1)
        object.__setattr__(self, "w2", _spread(arrays.finite("w2", self.w2), len(self.x) - len(self.w1) + 1))


def _refuse_misfit(x: Floats, w1: Floats) -> None:
    for name, array in {"x": x, "kernel": w1}.items():
        if array.ndim not in (1, 2):
            found = f"{name}: {array.ndim} dimensions, expected a list of numbers or a list of vectors"
            raise ShoepairError(found)
    if x.shape[1:] != w1.shape[1:]:
        found = f"kernel: made of {_kind(w1)}, but x is made of {_kind(x)}"
        raise ShoepairError(found, fix="give the kernel as many numbers per place as x has")
    if len(w1) > len(x):
        found = f"kernel: {len(w1)} long, longer than the input x of {len(x)}, so it fits nowhere"
        raise ShoepairError(found, fix=f"use a kernel of {len(x)} or less")


def _kind(array: Floats) -> str:
    return f"vectors of {array.shape[1]}" if array.ndim == 2 else "numbers"


def _spread(w2: Floats, units: int) -> Floats:
    if w2.ndim == 0 or w2.shape == (1,):
        return np.full(units, w2.reshape(()))
    if w2.shape != (units,):
        found = f"w2: {show(w2)} of shape {w2.shape}, expected {units} weights, one per hidden unit, or one for all"
        raise ShoepairError(found)
    return w2


EXAMPLE = Problem(
    x=np.array([1.0, 3, 2, 1, 1, 0, 1]), w1=np.array([-1.0, 2, -1]), b1=0.0, w2=np.array(1.0), b2=1.0, t=0.0
)
VECTORS = Problem(
    x=np.array([[1.0, 0], [2, 1], [0, 3], [1, 1]]), w1=np.eye(2), b1=-1.0, w2=np.array(1.0), b2=-2.0, t=1.0
)


@dataclass(frozen=True, eq=False)
class Forward:
    """Every intermediate value."""

    windows: Floats  # (L, K) or (L, K, V), what the kernel lies on at each place
    pre: Floats  # (L,) before ReLU
    hidden: Floats  # (L,) after it
    logit: float  # z
    probability: float  # sigmoid(z), of label 1
    loss: float  # cross-entropy, nats


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the loss by everything; each has the shape of what it is taken by."""

    logit: float
    w2: Floats
    b2: float
    hidden: Floats
    pre: Floats
    w1: Floats
    b1: float
    x: Floats


def forward(problem: Problem) -> Forward:
    """From input to loss.

    Raises:
        ShoepairError: a value leaves the range of float64.
    """
    taps, units = len(problem.w1), len(problem.w2)
    windows = problem.x[np.arange(units)[:, None] + np.arange(taps)]  # (L, K) or (L, K, V)
    with np.errstate(over="ignore", invalid="ignore"):
        pre = np.tensordot(windows, problem.w1, problem.w1.ndim) + problem.b1  # (L,)
        hidden = np.maximum(pre, 0)
        logit = float(problem.w2 @ hidden + problem.b2)
        arrays.refuse_overflow({"pre": pre, "logit": logit})
    return Forward(windows, pre, hidden, *arrays.outcome(logit, problem.t))


def backward(problem: Problem, values: Forward) -> Gradients:
    """From loss to the gradients, by the chain rule, one line of the module's formulas after another.

    ReLU's derivative at exactly 0 is taken as 0, as torch does.

    Raises:
        ShoepairError: a gradient leaves the range of float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        logit = values.probability - problem.t
        hidden = logit * problem.w2  # (L,)
        pre = hidden * (values.pre > 0)  # (L,)
        w1 = np.tensordot(pre, values.windows, 1)  # (K,) or (K, V): every window, weighted by its unit's derivative
        x = np.zeros_like(problem.x)
        for place, derivative in enumerate(pre):  # each window gives to the inputs that it lies on
            x[place : place + len(problem.w1)] += derivative * problem.w1
        w2 = logit * values.hidden
        b1 = float(pre.sum())
        arrays.refuse_overflow({"gradient of w1": w1, "gradient of w2": w2, "gradient of b1": b1, "gradient of x": x})
    return Gradients(logit=logit, w2=w2, b2=logit, hidden=hidden, pre=pre, w1=w1, b1=b1, x=x)


def describe(problem: Problem) -> str:
    """All steps as tables."""
    values = forward(problem)
    gradients = backward(problem, values)
    given = [[name, show(value)] for name, value in vars(problem).items()]
    logit = ["z", f"w2 · h + b2 = {arrays.products(problem.w2, values.hidden, problem.b2)}", show(values.logit)]
    return "\n\n".join(
        [
            table(["given", "value"], given),
            "Forward: the kernel on every window, then ReLU",
            _windows_table(problem, values),
            "Forward, from the hidden units to the loss",
            arrays.loss_table([logit], values.probability, values.loss, problem.t),
            "Backward: dz is short for the derivative of the loss by z",
            _gradient_table(gradients),
        ]
    )


def _windows_table(problem: Problem, values: Forward) -> str:
    rows = [
        [str(i), show(window), arrays.products(problem.w1, window, problem.b1), show(pre), show(hidden)]
        for i, (window, pre, hidden) in enumerate(zip(values.windows, values.pre, values.hidden, strict=True), start=1)
    ]
    return table(["i", "window of x", "w1 · window + b1", "pre_i", "h_i"], rows)


def _gradient_table(gradients: Gradients) -> str:
    rows: dict[str, tuple[str, ArrayLike]] = {
        "dw2": ("dz h", gradients.w2),
        "db2": ("dz", gradients.b2),
        "dh": ("dz w2", gradients.hidden),
        "dpre": ("dh where pre > 0, else 0", gradients.pre),
        "dw1": ("Σ_i dpre_i · (window i)", gradients.w1),
        "db1": ("Σ_i dpre_i", gradients.b1),
        "dx": ("Σ_i dpre_i · w1, laid on window i", gradients.x),
    }
    return arrays.derivatives(gradients.logit, rows)


def chapter() -> str:
    """The assignment's example and one with vectors, explained, as Markdown."""
    return f"""
## A 1D convolution network by hand

A kernel w1 on every window of x, ReLU, one linear unit, sigmoid cross-entropy. The kernel is not flipped (deep
learning's convolution is a cross-correlation) and goes only where it fits: 7 inputs and 3 taps make 5 hidden units.
The assignment's published solution stops at the logit, 5, and gives no gradient.

{describe(EXAMPLE)}

### The same for a sequence of vectors

Each tap of the kernel is then a vector too, and a product becomes a scalar product. The places in the vector are what
torch calls channels.

{describe(VECTORS)}
"""
