"""The 1D convolution network by hand: the assignment's numbers, and its gradients against torch's autograd."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from shoepair.reports.analysis import conv1d
from shoepair.reports.analysis.numerics import cross_entropy, format_array, sigmoid, to_finite_array
from shoepair.runtime.errors import ShoepairError


def by_torch(problem: conv1d.Problem) -> dict[str, Any]:
    """The same network by torch, with autograd."""
    names = ("x", "w1", "b1", "w2", "b2")
    leaf = {name: torch.tensor(getattr(problem, name), dtype=torch.float64, requires_grad=True) for name in names}
    x, w1 = (leaf[name] if leaf[name].ndim == 2 else leaf[name][:, None] for name in ("x", "w1"))  # (T, V), (K, V)
    pre = F.conv1d(x.T[None], w1.T[None])[0, 0] + leaf["b1"]
    logit = leaf["w2"] @ F.relu(pre) + leaf["b2"]
    loss = F.binary_cross_entropy_with_logits(logit, torch.tensor(problem.t, dtype=torch.float64))
    torch.autograd.backward(loss)
    gradients: dict[str, Any] = {name: tensor.grad for name, tensor in leaf.items()}
    return {**gradients, "pre": pre.detach(), "logit": logit.item(), "loss": loss.item()}


def check_against_torch(problem: conv1d.Problem) -> None:
    values, expected = conv1d.forward(problem), by_torch(problem)
    gradients = conv1d.backward(problem, values)
    np.testing.assert_allclose(values.pre, expected["pre"], rtol=0, atol=1e-10)
    assert values.logit == pytest.approx(expected["logit"], abs=1e-10)
    assert values.loss == pytest.approx(expected["loss"], abs=1e-10)
    for name in ("x", "w1", "b1", "w2", "b2"):
        np.testing.assert_allclose(getattr(gradients, name), expected[name], rtol=0, atol=1e-10, err_msg=name)


def test_numbers_of_the_assignment() -> None:
    values = conv1d.forward(conv1d.EXAMPLE)
    gradients = conv1d.backward(conv1d.EXAMPLE, values)
    np.testing.assert_array_equal(values.pre, [3, 0, -1, 1, -2])
    np.testing.assert_array_equal(values.hidden, [3, 0, 0, 1, 0])
    np.testing.assert_array_equal(values.windows[0], [1, 3, 2])
    assert values.logit == 5
    assert values.loss == pytest.approx(5.006715, abs=5e-7)
    assert values.probability == pytest.approx(0.993307, abs=5e-7)
    np.testing.assert_allclose(gradients.w1, [1.986614, 3.973229, 1.986614], rtol=0, atol=5e-7)
    np.testing.assert_allclose(gradients.pre / gradients.logit, [1, 0, 0, 1, 0])
    check_against_torch(conv1d.EXAMPLE)


def test_published_solution_is_named() -> None:
    assert "stops at the logit, 5, and gives no gradient" in conv1d.chapter_markdown()
    assert "[1.986614, 3.973229, 1.986614]" in conv1d.chapter_markdown()


def test_vectors_of_the_page() -> None:
    np.testing.assert_array_equal(conv1d.forward(conv1d.VECTOR_EXAMPLE).pre, [1, 4, 0])
    check_against_torch(conv1d.VECTOR_EXAMPLE)


@st.composite
def problems(draw: st.DrawFn) -> conv1d.Problem:
    """Numbers or vectors of many lengths; integers meet ReLU's corner at 0 exactly."""
    length = draw(st.integers(1, 40))
    taps = draw(st.integers(1, length))
    elements = draw(st.sampled_from([(), (1,), (2,), (5,)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    integers = draw(st.booleans())

    def values(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return rng.integers(-3, 4, shape).astype(np.float64) if integers else rng.standard_normal(shape)

    return conv1d.Problem(
        x=values(length, *elements),
        w1=values(taps, *elements),
        b1=float(values()),
        w2=values(length - taps + 1),
        b2=float(values()),
        t=draw(st.sampled_from([0.0, 1.0, 0.3])),
    )


@given(problems())
@settings(deadline=None, max_examples=150)
def test_gradients_are_those_of_autograd(problem: conv1d.Problem) -> None:
    check_against_torch(problem)


@given(problems())
@settings(deadline=None, max_examples=30)
def test_steps_show_the_loss(problem: conv1d.Problem) -> None:
    assert format_array(conv1d.forward(problem).loss) in conv1d.steps_as_markdown(problem)


def test_one_number_is_a_sequence_of_vectors_of_one() -> None:
    flat = conv1d.EXAMPLE
    column = replace(flat, x=flat.x[:, None], w1=flat.w1[:, None])
    one, other = (conv1d.backward(problem, conv1d.forward(problem)) for problem in (flat, column))
    np.testing.assert_array_equal(one.w1, other.w1[:, 0])
    np.testing.assert_array_equal(one.x, other.x[:, 0])


def test_inputs_are_copied() -> None:
    x = np.arange(5.0)
    problem = replace(conv1d.EXAMPLE, x=x, w2=np.array(1.0))
    x[:] = 9
    np.testing.assert_array_equal(problem.x, np.arange(5.0))


@pytest.mark.parametrize("logit", [-1000.0, -30.0, 0.0, 30.0, 1000.0])
def test_far_logits_keep_their_loss(logit: float) -> None:
    loss = F.binary_cross_entropy_with_logits(torch.tensor(logit).double(), torch.tensor(1.0).double())
    assert cross_entropy(logit, 1.0) == pytest.approx(float(loss), rel=1e-12)
    assert sigmoid(logit) == pytest.approx(float(torch.sigmoid(torch.tensor(logit).double())), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([1, np.nan, 2, 3])}, "x, value 2: nan, expected a finite number"),
        ({"x": np.array([[1, 2], [3, np.inf]])}, "x, value 2, 2: inf, expected a finite number"),
        ({"x": np.array([])}, "x: empty, expected at least one number"),
        ({"x": [[1, 2], [3]]}, "x: not an array of numbers"),
        ({"x": np.zeros((7, 2, 2))}, "x: 3 dimensions, expected a list of numbers or a list of vectors"),
        ({"x": np.array([1.0, 2])}, "kernel: length 3, longer than the input x of 2"),
        ({"x": np.zeros((7, 2))}, "kernel: made of numbers, but x is made of vectors of 2"),
        ({"w1": np.zeros((3, 4))}, "kernel: made of vectors of 4, but x is made of numbers"),
        ({"w1": np.array([1, -np.inf])}, "kernel, value 2: -inf, expected a finite number"),
        ({"w1": np.array(1.0)}, "kernel: 0 dimensions"),
        ({"b1": float("nan")}, "b1: nan, expected a finite number"),
        ({"b2": float("inf")}, "b2: inf, expected a finite number"),
        ({"w2": np.array([1.0, 2])}, r"w2: \[1, 2\] of shape \(2,\), expected 5 weights, one per hidden unit"),
        ({"w2": np.array([1.0, 2, 3, 4, np.nan])}, "w2, value 5: nan"),
        ({"t": 2.0}, "target: 2.0, expected 0 .different. or 1 .same."),
        ({"t": float("nan")}, "target: nan"),
    ],
)
def test_errors_name_the_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ShoepairError, match=message):
        replace(conv1d.EXAMPLE, **change)


def test_numbers_beyond_float64_are_refused() -> None:
    problem = replace(conv1d.EXAMPLE, x=np.full(7, 1e200), w1=np.full(3, 1e200))
    with pytest.raises(ShoepairError, match="pre: beyond the range of float64"):
        conv1d.forward(problem)
    problem = replace(conv1d.EXAMPLE, x=np.full(7, 1e150), w1=np.full(3, 1e-150), w2=np.array(1e170))
    with pytest.raises(ShoepairError, match="gradient of w1: beyond the range of float64"):
        conv1d.backward(problem, conv1d.forward(problem))


def test_words_are_refused() -> None:
    with pytest.raises(ShoepairError, match="x: not an array of numbers"):
        to_finite_array("x", ["one", "two"])
    with pytest.raises(ShoepairError, match="x: not an array of numbers"):
        to_finite_array("x", [10**400])
