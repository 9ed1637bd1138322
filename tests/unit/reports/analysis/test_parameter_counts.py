"""Parameter counts: the assignment's numbers, and formulas compared with modules."""

from __future__ import annotations

import re

import pytest
from support.field import ROOT

from shoepair.models.cnn import COURSE_MODELS
from shoepair.models.config import ModelConfig
from shoepair.reports.analysis import parameter_counts, receptive_field
from shoepair.runtime import params

SAME_IN_BOTH = {"conv2": 296, "conv3": 1168, "conv4": 4640, "fc2": 202}
ASSIGNMENT = {
    "cnn": {**SAME_IN_BOTH, "conv1": 112, "fc1": 1_254_500, "total": 1_260_918},
    "cnn_channel": {**SAME_IN_BOTH, "conv1": 220, "fc1": 627_300, "total": 633_826},
}


def evaluate(formula: str, config: ModelConfig) -> int:
    """Evaluate a formula from its printed text."""
    text = formula.replace("²", "**2").replace("·", "*")
    text = re.sub(r"(?<=[0-9)nK])(?=[nK(])", "*", text)  # 2nK, (..)n: a product without a sign
    return int(eval(text, {"__builtins__": {}}, {"n": config.n, "K": config.kernel_size}))


@pytest.mark.parametrize("name", COURSE_MODELS)
def test_counts_of_the_assignment(name: str) -> None:
    rows = parameter_counts.list_layer_and_total_parameters(name, ModelConfig())
    assert {row.layer: row.value for row in rows} == ASSIGNMENT[name]
    assert {row.layer: row.module for row in rows} == ASSIGNMENT[name]


@pytest.mark.parametrize("name", COURSE_MODELS)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("kernel_size", "edge"), [(3, 224), (5, 224), (3, 56)])
def test_formulas_are_the_modules_counts(name: str, kernel_size: int, edge: int, batch_norm: bool) -> None:
    for n in range(1, 17):
        config = ModelConfig(n=n, kernel_size=kernel_size, batch_norm=batch_norm, edge=edge)
        for row in parameter_counts.list_layer_and_total_parameters(name, config):
            assert row.value == row.module == evaluate(row.formula.replace(")n", ")*n"), config), (row, n)


@pytest.mark.parametrize("name", COURSE_MODELS)
def test_meta_modules_count_as_real_ones(name: str) -> None:
    config = ModelConfig(n=2, kernel_size=5, batch_norm=True, edge=32)
    real = COURSE_MODELS[name](n=2, kernel_size=5, batch_norm=True, edge=32)
    total = parameter_counts.list_layer_and_total_parameters(name, config)[-1].value
    assert total == sum(tensor.numel() for tensor in real.parameters())


def test_batch_norm_has_a_weight_and_a_bias_per_channel_instead_of_the_convolutions_bias() -> None:
    plain = parameter_counts.list_layer_and_total_parameters("cnn", ModelConfig(n=4))[-1].value
    normed = parameter_counts.list_layer_and_total_parameters("cnn", ModelConfig(n=4, batch_norm=True))
    assert normed[-1].value == plain + (4 + 8 + 16 + 32)
    assert [row.layer for row in normed[:4]] == ["conv1", "norm1", "conv2", "norm2"]


def test_dropout_has_no_parameters() -> None:
    plain, dropout = (
        parameter_counts.list_layer_and_total_parameters("cnn", ModelConfig(dropout=p)) for p in (0, 0.5)
    )
    assert plain == dropout


def test_chapter_says_what_the_published_solution_has() -> None:
    text = parameter_counts.chapter_markdown(ModelConfig())
    for number in ("12,644", "6,372", "1,254,500", "627,300", "1,260,918", "633,826"):
        assert number in text


def test_notes_have_the_numbers_of_the_networks_that_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = params.load(ModelConfig)
    notes = " ".join((ROOT / "docs/notes.md").read_text().split())
    for name, title in parameter_counts.MODEL_TITLES.items():
        counts = {row.layer: row.value for row in parameter_counts.list_layer_and_total_parameters(name, config)}
        assert f"`{title}` has {counts['total']:,} parameters" in notes or f"`{title}` {counts['total']:,}" in notes
    assert f"photos of {config.edge} pixels, with n = {config.n}" in notes
    last = receptive_field.network_receptive_fields(config.kernel_size, config.edge)[-1]
    assert (
        f"sees {last.size} of {config.edge} pixels, {(last.size / config.edge) ** 2:.0%}".replace("%", " %") in notes
    )


def test_notes_tell_the_parameters_and_pixels_of_the_networks_that_are_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    config = params.load(ModelConfig)
    notes = " ".join((ROOT / "docs/notes.md").read_text().split())
    cnn, channel = (parameter_counts.total_formula_and_count(model, config)[1] for model in ("cnn", "cnn_channel"))
    assert f"see photos of {config.edge} pixels, with n = {config.n} and batch" in notes
    assert f"`CNN` has {cnn:,} parameters" in notes
    assert f"`CNNChannel` {channel:,}," in notes
