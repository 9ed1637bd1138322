"""Functions shared by the chapters of the worked analysis: loss, checks of a user's numbers, table formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoepair.runtime.errors import ShoepairError

Floats = NDArray[np.float64]

_NUMBER_PATTERN = re.compile(r"-?[\d,.]+( %)?")


def to_finite_array(name: str, values: ArrayLike) -> Floats:
    """Convert a user's numbers to a float64 array and check that all are finite; `name` is for messages.

    Raises:
        ShoepairError: no numbers, rows of different lengths, or a value that is not finite.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        message = f"{name}: not an array of numbers (rows of different lengths, or words)"
        raise ShoepairError(message) from None
    if array.size == 0:
        message = f"{name}: empty, expected at least one number"
        raise ShoepairError(message)
    for index in np.argwhere(~np.isfinite(array)):
        where = f", value {', '.join(str(i + 1) for i in index)}" if array.ndim else ""
        message = f"{name}{where}: {array[tuple(index)]}, expected a finite number"
        raise ShoepairError(message)
    return array


def raise_if_overflow(values_by_name: Mapping[str, ArrayLike]) -> None:
    """Raise if a result is infinite or not a number, naming it.

    Raises:
        ShoepairError: a result is infinite or, as the difference of two infinite ones, not a number.
    """
    for name, values in values_by_name.items():
        if not np.isfinite(np.asarray(values)).all():
            message = f"{name}: beyond the range of float64 (1.8e308)"
            raise ShoepairError(message, fix="use smaller numbers")


def to_target_probability(value: float) -> float:
    """Check that a target label is within 0 and 1, and return it as float.

    Raises:
        ShoepairError: it is not within 0 and 1.
    """
    if not 0 <= value <= 1:  # also false for NaN
        message = f"target: {value}, expected 0 (different) or 1 (same), or a probability between them"
        raise ShoepairError(message)
    return float(value)


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)), computed without overflow by exp(-|logit|)."""
    small = np.exp(-abs(logit))
    return float(1 / (1 + small) if logit >= 0 else small / (1 + small))


def cross_entropy(logit: float, target: float) -> float:
    """Return the binary cross-entropy of a logit and a target, in nats, computed without overflow.

    -t ln(p) - (1 - t) ln(1 - p) with p = sigmoid(logit) is computed as ln(1 + exp(logit)) - t logit, so that no p is
    rounded to 0 or 1 before the logarithm. The derivative by the logit is p - t.
    """
    softplus = max(logit, 0.0) + np.log1p(np.exp(-abs(logit)))
    return float(softplus - target * logit)


def logit_probability_loss(logit: float, target: float) -> tuple[float, float, float]:
    """Return the logit, the probability of label 1, and the cross-entropy loss in nats."""
    return logit, sigmoid(logit), cross_entropy(logit, target)


def format_array(value: ArrayLike, digits: int = 7) -> str:
    """Format a number, vector or matrix as text, such as [[1, 2], [0, 1]], with at most `digits` digits."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return f"[{', '.join(format_array(item, digits) for item in array)}]"
    return f"{float(array) + 0.0:.{digits}g}"  # + 0.0 makes -0 a 0


def format_dot_product(left: Floats, right: Floats, bias: float) -> str:
    """Format a dot product and its bias with all terms: (-1)·1 + 2·3 + (-1)·2 + 0."""

    def term(value: float) -> str:
        return format_array(value) if value >= 0 else f"({format_array(value)})"

    terms = [f"{term(a)}·{term(b)}" for a, b in zip(left.ravel(), right.ravel(), strict=True)]
    return " + ".join([*terms, term(bias)])


def backward_pass_markdown(logit_derivative: float, rows: Mapping[str, tuple[str, ArrayLike]]) -> str:
    """Format the backward pass as a Markdown table of derivatives; `rows` has their formulas and values by name.

    All are multiples of `logit_derivative`, the derivative by the logit. The table also shows the other factor: for
    small integers it is an integer and can be checked by hand.
    """
    lines = [
        [
            name,
            formula,
            format_array(np.asarray(value) / logit_derivative) if logit_derivative else "-",
            format_array(value),
        ]
        for name, (formula, value) in rows.items()
    ]
    return aligned_markdown_table(
        ["derivative", "formula", "divided by dz", "value"],
        [["dz", "p - t", "1", format_array(logit_derivative, 11)], *lines],
    )


def forward_pass_end_markdown(
    steps: Sequence[Sequence[str]], probability: float, loss: float, target: float, digits: int = 7
) -> str:
    """Format the end of the forward pass, from `steps` to the loss, as a Markdown table."""
    last = [
        ["p", "1 / (1 + exp(-z)), the probability of label 1", format_array(probability, 11)],
        ["loss", f"ln(1 + exp(z)) - t z, with t = {format_array(target)}", format_array(loss, digits)],
    ]
    return aligned_markdown_table(["step", "formula", "value"], [*steps, *last])


def aligned_markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows as a Markdown table padded for a terminal; columns of numbers are right-aligned."""
    columns = []
    for head, *cells in zip(header, *rows, strict=True):
        width = max(3, *map(len, (head, *cells)))
        number = all(map(_NUMBER_PATTERN.fullmatch, cells))
        column = [head, "-" * (width - 1) + "-:"[number], *cells]
        columns.append([cell.rjust(width) if number else cell.ljust(width) for cell in column])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))
