"""A 1D convolution network by hand: forward and backward pass with explicit derivatives, in NumPy without autograd.

    pre_i  = sum_k w1_k · x_(i + k) + b1      i = 1..L, k = 0..K-1, L = T - K + 1
    h_i    = max(pre_i, 0)
    z      = sum_i w2_i h_i + b2
    loss   = cross-entropy of sigmoid(z) against t = ln(1 + exp(z)) - t z

As usual in deep learning the kernel is not flipped (strictly, this is a cross-correlation) and stays within the input
("valid": stride 1, no padding), hence the length L. A sequence may also consist of vectors: w1_k · x_(i + k) is then a
dot product, and the elements of a vector are the channels in torch.

Letters: T inputs, K taps of the kernel, L = T - K + 1 hidden units, V elements of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from shoepair.reports.analysis import numerics
from shoepair.reports.analysis.numerics import Floats, aligned_markdown_table, format_array
from shoepair.runtime.errors import ShoepairError


@dataclass(frozen=True, eq=False)
class Problem:
    """Input, parameters and target of the 1D convolution network.

    Raises:
        ShoepairError: shapes do not fit, the kernel is longer than the input, or a value is not finite.
    """

    x: Floats  # (T,) numbers or (T, V) vectors
    w1: Floats  # (K,) or (K, V), the kernel
    b1: float  # added to every window
    w2: Floats  # (L,) weights of the linear layer; one number is used for all hidden units
    b2: float  # added to the logit
    t: float  # target label, 0 or 1

    def __post_init__(self) -> None:
        checked = {
            "x": numerics.to_finite_array("x", self.x),
            "w1": numerics.to_finite_array("kernel", self.w1),
            "t": numerics.to_target_probability(self.t),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the class is frozen
        numerics.to_finite_array("b1", self.b1)
        numerics.to_finite_array("b2", self.b2)
        _raise_if_misfit(self.x, self.w1)
        object.__setattr__(
            self, "w2", _broadcast_weights(numerics.to_finite_array("w2", self.w2), len(self.x) - len(self.w1) + 1)
        )


def _raise_if_misfit(x: Floats, w1: Floats) -> None:
    for name, array in {"x": x, "kernel": w1}.items():
        if array.ndim not in (1, 2):
            message = f"{name}: {array.ndim} dimensions, expected a list of numbers or a list of vectors"
            raise ShoepairError(message)
    if x.shape[1:] != w1.shape[1:]:
        message = f"kernel: made of {_describe_elements(w1)}, but x is made of {_describe_elements(x)}"
        raise ShoepairError(message, fix="use a kernel whose elements have the shape of those of x")
    if len(w1) > len(x):
        message = f"kernel: length {len(w1)}, longer than the input x of {len(x)}"
        raise ShoepairError(message, fix=f"use a kernel of length {len(x)} or less")


def _describe_elements(array: Floats) -> str:
    return f"vectors of {array.shape[1]}" if array.ndim == 2 else "numbers"


def _broadcast_weights(w2: Floats, unit_count: int) -> Floats:
    if w2.ndim == 0 or w2.shape == (1,):
        return np.full(unit_count, w2.reshape(()))
    if w2.shape != (unit_count,):
        expected = f"expected {unit_count} weights, one per hidden unit, or one for all"
        message = f"w2: {format_array(w2)} of shape {w2.shape}, {expected}"
        raise ShoepairError(message)
    return w2


EXAMPLE = Problem(
    x=np.array([1.0, 3, 2, 1, 1, 0, 1]), w1=np.array([-1.0, 2, -1]), b1=0.0, w2=np.array(1.0), b2=1.0, t=0.0
)
VECTOR_EXAMPLE = Problem(
    x=np.array([[1.0, 0], [2, 1], [0, 3], [1, 1]]), w1=np.eye(2), b1=-1.0, w2=np.array(1.0), b2=-2.0, t=1.0
)


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """Intermediate values of the forward pass, up to the loss."""

    windows: Floats  # (L, K) or (L, K, V), the inputs under the kernel at each position
    pre: Floats  # (L,) before ReLU
    hidden: Floats  # (L,) after it
    logit: float  # z
    probability: float  # sigmoid(z), of label 1
    loss: float  # cross-entropy, nats


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the loss by every value, in the shape of that value."""

    logit: float
    w2: Floats
    b2: float
    hidden: Floats
    pre: Floats
    w1: Floats
    b1: float
    x: Floats


def forward(problem: Problem) -> ForwardPass:
    """Run the forward pass; return all intermediate values and the loss.

    Raises:
        ShoepairError: a value leaves the range of float64.
    """
    taps, units = len(problem.w1), len(problem.w2)
    windows = problem.x[np.arange(units)[:, None] + np.arange(taps)]  # (L, K) or (L, K, V)
    with np.errstate(over="ignore", invalid="ignore"):
        pre = np.tensordot(windows, problem.w1, problem.w1.ndim) + problem.b1  # (L,)
        hidden = np.maximum(pre, 0)
        logit = float(problem.w2 @ hidden + problem.b2)
        numerics.raise_if_overflow({"pre": pre, "logit": logit})
    return ForwardPass(windows, pre, hidden, *numerics.logit_probability_loss(logit, problem.t))


def backward(problem: Problem, forward_pass: ForwardPass) -> Gradients:
    """Run the backward pass by the chain rule; return the gradients of the loss.

    ReLU's derivative at exactly 0 is taken as 0, as torch does.

    Raises:
        ShoepairError: a gradient leaves the range of float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        logit = forward_pass.probability - problem.t
        hidden = logit * problem.w2  # (L,)
        pre = hidden * (forward_pass.pre > 0)  # (L,)
        w1 = np.tensordot(pre, forward_pass.windows, 1)  # (K,) or (K, V): windows weighted by their units' derivatives
        x = np.zeros_like(problem.x)
        for i, derivative in enumerate(pre):  # each window adds to its inputs
            x[i : i + len(problem.w1)] += derivative * problem.w1
        w2 = logit * forward_pass.hidden
        b1 = float(pre.sum())
        numerics.raise_if_overflow(
            {"gradient of w1": w1, "gradient of w2": w2, "gradient of b1": b1, "gradient of x": x}
        )
    return Gradients(logit=logit, w2=w2, b2=logit, hidden=hidden, pre=pre, w1=w1, b1=b1, x=x)


def steps_as_markdown(problem: Problem) -> str:
    """Format forward and backward pass, step by step, as Markdown tables."""
    values = forward(problem)
    gradients = backward(problem, values)
    given = [[name, format_array(value)] for name, value in vars(problem).items()]
    logit = [
        "z",
        f"w2 · h + b2 = {numerics.format_dot_product(problem.w2, values.hidden, problem.b2)}",
        format_array(values.logit),
    ]
    return "\n\n".join(
        [
            aligned_markdown_table(["given", "value"], given),
            "Forward: the kernel on every window, then ReLU",
            _windows_table(problem, values),
            "Forward, from the hidden units to the loss",
            numerics.forward_pass_end_markdown([logit], values.probability, values.loss, problem.t),
            "Backward: dz is the derivative of the loss by z",
            _gradient_table(gradients),
        ]
    )


def _windows_table(problem: Problem, forward_pass: ForwardPass) -> str:
    rows = [
        [
            str(i),
            format_array(window),
            numerics.format_dot_product(problem.w1, window, problem.b1),
            format_array(pre),
            format_array(hidden),
        ]
        for i, (window, pre, hidden) in enumerate(
            zip(forward_pass.windows, forward_pass.pre, forward_pass.hidden, strict=True), start=1
        )
    ]
    return aligned_markdown_table(["i", "window of x", "w1 · window + b1", "pre_i", "h_i"], rows)


def _gradient_table(gradients: Gradients) -> str:
    rows: dict[str, tuple[str, ArrayLike]] = {
        "dw2": ("dz h", gradients.w2),
        "db2": ("dz", gradients.b2),
        "dh": ("dz w2", gradients.hidden),
        "dpre": ("dh where pre > 0, else 0", gradients.pre),
        "dw1": ("Σ_i dpre_i · (window i)", gradients.w1),
        "db1": ("Σ_i dpre_i", gradients.b1),
        "dx": ("Σ_i dpre_i · w1, at window i", gradients.x),
    }
    return numerics.backward_pass_markdown(gradients.logit, rows)


def chapter_markdown() -> str:
    """Return the chapter on the 1D convolution network, with two worked examples, as Markdown."""
    return f"""
## A 1D convolution network by hand

A kernel w1 on every window of x, ReLU, one linear unit, sigmoid cross-entropy. The kernel is not flipped (strictly a
cross-correlation) and stays within the input: 7 inputs and 3 taps give 5 hidden units.
The assignment's published solution stops at the logit, 5, and gives no gradient.

{steps_as_markdown(EXAMPLE)}

### A sequence of vectors

Each tap of the kernel is a vector too, and products are dot products. The elements are the channels in torch.

{steps_as_markdown(VECTOR_EXAMPLE)}
"""
