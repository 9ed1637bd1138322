"""Stages features and train_pretrained on the tiny class, with a tiny network: from photos to scores."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from support import towers
from support.field import edit

from shoepair.data import loading, parquet_files, schemas
from shoepair.models import inference, registry
from shoepair.models.config import PretrainedConfig
from shoepair.models.efficientnet import EfficientNetLite
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import features, train, train_pretrained

MODELS = ["efficientnet_frozen", "efficientnet_finetuned"]


@pytest.fixture
def tower(paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pairs, whose models are those on the tiny network."""
    monkeypatch.setattr(EfficientNetLite, "edge", towers.EDGE)
    config = towers.write_tiny_weights(tmp_path / "tiny.pth")
    edit(paths.PARAMS, "weights: bundled:efficientnet_lite0", f"weights: {config.weights}")
    edit(paths.PARAMS, PretrainedConfig().sha256, config.sha256)
    edit(paths.PARAMS, "  models: []  # of the", f"  models: [{', '.join(MODELS)}]  # of the")
    return paired


@pytest.mark.usefixtures("tower")
def test_features_are_trained_on_and_evaluated_and_the_same_photos_give_the_same_bytes() -> None:
    features.main("tiny")
    first = paths.features_path("tiny").read_bytes()
    for name in MODELS:
        train_pretrained.main(name)
        card = json.loads(paths.model_card_path(name).read_text())
        assert card["pretrained"]["weights"] == "tiny.pth"
        assert card["epoch"]["epoch"] == (6 if name == "efficientnet_finetuned" else 1)
        assert not paths.checkpoint_path(name).exists()
    rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
    photos = loading.load_pairs_in_memory(rows)
    for name in MODELS:
        model = registry.load_model(name)
        scores = inference.pair_score_rows({name: model}, rows, photos)["logit"]
        assert scores.to_numpy() == pytest.approx(inference.score_model(name, model, photos).numpy(), abs=0.05)
    features.main("tiny")
    assert paths.features_path("tiny").read_bytes() == first


@pytest.mark.usefixtures("tower")
def test_network_without_its_features_is_refused_in_one_line() -> None:
    with pytest.raises(ShoepairError, match=r"data/features/tiny\.h5: missing"):
        train_pretrained.main(MODELS[0])
    edit(paths.PARAMS, f"models: [{', '.join(MODELS)}]", "models: []")
    features.main("tiny")
    with pytest.raises(ShoepairError, match=r"no features in it, since `pretrained\.models` named no model"):
        train_pretrained.main(MODELS[0])


@pytest.mark.usefixtures("tower")
def test_features_of_other_weights_than_the_parameters_name_are_refused(tmp_path: Path) -> None:
    features.main("tiny")
    weights = towers.make_tiny_weights()
    weights["_conv_head.weight"] *= 2
    torch.save(weights, tmp_path / "other.pth")
    edit(paths.PARAMS, "tiny.pth", "other.pth")
    sha256 = hashlib.sha256((tmp_path / "other.pth").read_bytes()).hexdigest()
    edit(paths.PARAMS, hashlib.sha256((tmp_path / "tiny.pth").read_bytes()).hexdigest(), sha256)
    with pytest.raises(
        ShoepairError, match=r"data/features/tiny\.h5: features of .*tiny\.pth .*, expected .*other\.pth"
    ):
        train_pretrained.main(MODELS[0])


@pytest.mark.usefixtures("tower")
def test_model_in_the_list_of_those_from_scratch_is_refused() -> None:
    with pytest.raises(ShoepairError, match=r"name it in `pretrained\.models` instead"):
        train.main(MODELS[0])
