"""`shoepair analyze`: the tables, numbers of a user, and the messages for wrong ones."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from shoepair.commands.main import app
from shoepair.runtime.errors import ShoepairError

GNN = {
    "--edges": "1-2,2-3,2-4,3-4",
    "--features": "1,1/0,1/1,0/-1,0",
    "--weight": "1,2/0,1",
    "--q": "1,1",
    "--target": "0",
}
CONV = {"--x": "1,3,2,1,1,0,1", "--kernel": "-1,2,-1", "--target": "0"}


def analyze(*words: str) -> Result:
    return CliRunner().invoke(app, ["analyze", *words])


def call(command: str, options: dict[str, str], **changes: str) -> Result:
    all_options = options | {f"--{name}": value for name, value in changes.items()}
    return analyze(command, *(f"{name}={value}" for name, value in all_options.items()))


def test_without_a_command_it_prints_all_chapters() -> None:
    result = analyze()
    assert result.exit_code == 0, result.output
    for text in (
        "1,260,918",
        "633,826",
        "Receptive fields at K = 3",
        "Receptive fields at K = 5",
        "published: 1 + (N - 1)(K - 1)",
        "[1.986614, 3.973229, 1.986614]",
        "sequence of vectors",
        "[[2, 6], [2, 6]]",
    ):
        assert text in result.output


def test_parameters() -> None:
    result = analyze("parameters", "--n", "8", "--kernel-size", "5", "--batch-norm")
    assert result.exit_code == 0
    assert "| norm4 | 2·8n" in result.output


def test_receptive() -> None:
    result = analyze("receptive", "--kernel-size", "5")
    assert "| pool4 |    76 |   16 |" in result.output


def test_conv1d_of_the_issue() -> None:
    result = call("conv1d", CONV)
    assert result.exit_code == 0, result.output
    for text in ("(-1)·1 + 2·3 + (-1)·2 + 0", "5.006715", "[1.986614, 3.973229, 1.986614]"):
        assert text in result.output
    assert analyze("conv1d", *(word for pair in CONV.items() for word in pair)).output == result.output


def test_conv1d_over_vectors_with_own_weights() -> None:
    result = call("conv1d", {"--x": "1,0/2,1/0,3", "--kernel": "1,0/0,1"}, w2="1,-1", b1="0.5", b2="0")
    assert result.exit_code == 0, result.output
    assert "| w1    | [[1, 0], [0, 1]]" in result.output


def test_kernel_of_a_single_vector() -> None:
    result = call("conv1d", {"--x": "1,0/2,1", "--kernel": "1,2/"})
    assert "| w1    | [[1, 2]]" in result.output


def test_gnn_of_the_issue() -> None:
    result = call("gnn", GNN)
    assert result.exit_code == 0, result.output
    for text in ("[5, 2]", "[14, 6]", "0.99999999794", "[[2, 6], [2, 6]]"):
        assert text in result.output


def test_gnn_with_layers_that_share_their_weight() -> None:
    result = call("gnn", GNN, layers="2")
    assert "Layer 2" in result.output
    assert "their sum, for a shared W" in result.output


def test_gnn_with_two_weights() -> None:
    words = [f"{name}={value}" for name, value in GNN.items()]
    result = analyze("gnn", *words, "--weight=1,0/0,2")
    assert "| W2, of layer 2 | [[1, 0], [0, 2]]" in result.output


def test_gnn_without_edges() -> None:
    assert "| edges          | none" in call("gnn", GNN, edges="").output


@pytest.mark.parametrize(
    ("command", "changes", "message"),
    [
        ("conv1d", {"x": "1,two,3"}, "x: 'two' at position 2 of '1,two,3' is not a number"),
        ("conv1d", {"x": ""}, "x: '' at position 1 of '' is not a number"),
        ("conv1d", {"x": "1,nan,3"}, "x, value 2: nan, expected a finite number"),
        ("conv1d", {"x": "1,2"}, "kernel: length 3, longer than the input x of 2"),
        ("conv1d", {"x": "1,2/3"}, "x: row 2 has 1 numbers and row 1 has 2, in '1,2/3'"),
        ("conv1d", {"kernel": "1,1/1,1"}, "kernel: made of vectors of 2, but x is made of numbers"),
        ("conv1d", {"w2": "1,2"}, "w2: [1, 2] of shape (2,), expected 5 weights"),
        ("conv1d", {"b1": "inf"}, "b1: inf, expected a finite number"),
        ("conv1d", {"target": "nan"}, "target: nan, expected 0"),
        ("gnn", {"edges": "1-2,2-9"}, "edges: 2-9 has node 9, but features has nodes 1 to 4"),
        ("gnn", {"edges": "1-2,2"}, "edges: '2' in '1-2,2' is not an edge"),
        ("gnn", {"edges": "1-a"}, "edges: '1-a' in '1-a' is not an edge"),
        ("gnn", {"features": "1,1/0"}, "features: row 2 has 1 numbers and row 1 has 2"),
        ("gnn", {"weight": "1,2,3/0,1,2"}, "weight of layer 1: 2 x 3, expected 2 columns"),
        ("gnn", {"weight": "1,x/0,1"}, "weight of layer 1: 'x' at position 2 of '1,x' is not a number"),
        ("gnn", {"q": "1"}, "q: [1] of shape (1,), expected 2 numbers"),
        ("gnn", {"q": "1,inf"}, "q, value 2: inf"),
    ],
)
def test_wrong_numbers_are_named_in_the_message(command: str, changes: dict[str, str], message: str) -> None:
    result = call(command, {"conv1d": CONV, "gnn": GNN}[command], **changes)
    assert isinstance(result.exception, ShoepairError), result.output
    assert str(result.exception).startswith(message)
    assert result.exit_code == 1


def test_more_weights_than_layers() -> None:
    words = [f"{name}={value}" for name, value in GNN.items()]
    result = analyze("gnn", *words, "--weight=1,0/0,2", "--layers=3")
    assert isinstance(result.exception, ShoepairError)
    assert str(result.exception).startswith("weight: 2 matrices for 3 layers")


@pytest.mark.parametrize("command", ["parameters", "receptive"])
def test_kernel_sizes_that_no_network_has(command: str) -> None:
    result = analyze(command, "--kernel-size", "4")
    assert isinstance(result.exception, ShoepairError)
    assert str(result.exception).startswith("kernel_size: 4, expected 3 or 5")
