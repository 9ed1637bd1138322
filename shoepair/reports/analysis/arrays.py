"""What the chapters of the worked analysis share: the loss, the check of a user's numbers, how tables are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoepair.runtime.errors import ShoepairError

Floats = NDArray[np.float64]

_NUMBER = re.compile(r"-?[\d,.]+( %)?")


def finite(name: str, values: ArrayLike) -> Floats:
    """A user's numbers, of any shape, as float64; `name` says in messages what they are.

    Raises:
        ShoepairError: none at all, rows of different lengths, or a value that is no finite number.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        found = f"{name}: not an array of numbers (rows of different lengths, or words)"
        raise ShoepairError(found) from None
    if array.size == 0:
        found = f"{name}: empty, expected at least one number"
        raise ShoepairError(found)
    for place in np.argwhere(~np.isfinite(array)):
        where = f", value {', '.join(str(index + 1) for index in place)}" if array.ndim else ""
        found = f"{name}{where}: {array[tuple(place)]}, expected a finite number"
        raise ShoepairError(found)
    return array


def refuse_overflow(results: Mapping[str, ArrayLike]) -> None:
    """Refuse results that have left the range of float64, by name.

    Raises:
        ShoepairError: a result is infinite or, as the difference of two infinite ones, not a number.
    """
    for name, values in results.items():
        if not np.isfinite(np.asarray(values)).all():
            found = f"{name}: beyond what float64 holds (1.8e308)"
            raise ShoepairError(found, fix="use smaller numbers")


def target(value: float) -> float:
    """The label that a network is to say, checked.

    Raises:
        ShoepairError: it is not within 0 and 1.
    """
    if not 0 <= value <= 1:  # also false for NaN
        found = f"target: {value}, expected 0 (different) or 1 (same), or a probability between them"
        raise ShoepairError(found)
    return float(value)


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), by the exponential that cannot overflow: exp(-|logit|)."""
    small = np.exp(-abs(logit))
    return float(1 / (1 + small) if logit >= 0 else small / (1 + small))


def cross_entropy(logit: float, wanted: float) -> float:
    """-t ln(p) - (1 - t) ln(1 - p) of p = sigmoid(logit), written as ln(1 + exp(logit)) - t logit.

    In this form no logarithm of a p that was rounded to 0 or 1 is taken; its derivative by the logit is p - t.
    """
    softplus = max(logit, 0.0) + np.log1p(np.exp(-abs(logit)))
    return float(softplus - wanted * logit)


def outcome(logit: float, wanted: float) -> tuple[float, float, float]:
    """The logit, the probability of label 1, and the loss in nats: how either network ends."""
    return logit, sigmoid(logit), cross_entropy(logit, wanted)


def show(value: ArrayLike, digits: int = 7) -> str:
    """A number, vector or matrix as text: [[1, 2], [0, 1]]; no number has more than `digits` digits."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return f"[{', '.join(show(each, digits) for each in array)}]"
    return f"{float(array) + 0.0:.{digits}g}"  # + 0.0 makes -0 a 0


def products(left: Floats, right: Floats, plus: float) -> str:
    """A scalar product and what is added to it, with all terms: (-1)·1 + 2·3 + (-1)·2 + 0."""

    def term(value: float) -> str:
        return show(value) if value >= 0 else f"({show(value)})"

    terms = [f"{term(a)}·{term(b)}" for a, b in zip(left.ravel(), right.ravel(), strict=True)]
    return " + ".join([*terms, term(plus)])


def derivatives(dz: float, rows: Mapping[str, tuple[str, ArrayLike]]) -> str:
    """The backward pass as a table: by name, how a derivative of the loss comes about and its value.

    All are multiples of `dz`, the derivative by the logit, and shown as that too: with small whole numbers given, the
    other factor is whole and can be checked by hand.
    """
    lines = [
        [name, how, show(np.asarray(value) / dz) if dz else "-", show(value)] for name, (how, value) in rows.items()
    ]
    return table(["derivative", "how", "divided by dz", "value"], [["dz", "p - t", "1", show(dz, 11)], *lines])


def loss_table(steps: Sequence[Sequence[str]], probability: float, loss: float, wanted: float, digits: int = 7) -> str:
    """The end of the forward pass as a table: a network's own steps to the logit, then probability and loss."""
    last = [
        ["p", "1 / (1 + exp(-z)), the probability of label 1", show(probability, 11)],
        ["loss", f"ln(1 + exp(z)) - t z, with t = {show(wanted)}", show(loss, digits)],
    ]
    return table(["step", "how", "value"], [*steps, *last])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it reads as well in a terminal; columns of numbers stand to the right."""
    columns = []
    for head, *cells in zip(header, *rows, strict=True):
        width = max(3, *map(len, (head, *cells)))
        number = all(map(_NUMBER.fullmatch, cells))
        column = [head, "-" * (width - 1) + "-:"[number], *cells]
        columns.append([cell.rjust(width) if number else cell.ljust(width) for cell in column])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*columns, strict=True))
