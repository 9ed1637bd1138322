"""A photo is described once for a model on a pretrained network: the same logits as from the pixels."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import towers, usage

from shoepair.commands.serving.predictor import PairPredictor, ShoePhoto, stack_pair_images
from shoepair.ingestion.config import ValidateConfig
from shoepair.models import registry
from shoepair.models.config import PretrainedConfig
from shoepair.runtime import params


def png(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (towers.EDGE, towers.EDGE, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("name", ["efficientnet_frozen", "efficientnet_finetuned"])
@pytest.mark.parametrize("shares", [True, False])
def test_described_photos_have_the_logits_of_their_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shares: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    usage.furnish(tmp_path)
    towers.use_tiny_network(monkeypatch)
    model = registry.build_pretrained_model(name, PretrainedConfig())
    detector = usage.FakeDetector(lambda _: (), (PretrainedConfig().sha256, towers.EDGE) if shares else None)
    judge = PairPredictor(usage.rule(), model, towers.EDGE, params.load(ValidateConfig), detector)
    left, right = photos = [judge.prepare_photo(png(seed)) for seed in (1, 2)]
    with torch.inference_mode():
        two = model(stack_pair_images([(left, right)]))[0].double()
    expected = float(two[1] - two[0])
    sent = [pickle.loads(pickle.dumps(photo)) for photo in photos]  # as through a pipe
    bare = [ShoePhoto(photo.pixels) for photo in photos]
    for one, other in (photos, sent, bare):
        assert float(judge.compute_logits([(one, other)])[0]) == pytest.approx(expected, abs=1e-4)
    wanted = np.array([[False, True], [False, False]])
    assert judge.compute_logit_matrix(photos, wanted)[0, 1] == pytest.approx(expected, abs=1e-4)
    for start, photo in zip(detector.starts, photos, strict=True):
        if not shares:
            assert start is None
            continue
        x = torch.from_numpy(photo.pixels[None].copy()).movedim(3, 1) / 255 - 0.5
        torch.testing.assert_close(start, model.backbone.maps_from(x, end="stage5")["stage5"], atol=1e-4, rtol=1e-3)
