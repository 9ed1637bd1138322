"""`shoepair export`: what other programs read is what the pipeline has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import towers, usage
from support.field import EDGE, ROOT
from typer.testing import CliRunner

from shoepair.commands.main import app
from shoepair.commands.serving import exports, predictor
from shoepair.commands.serving.predictor import PairPredictor
from shoepair.data import parquet_files, photo_loading
from shoepair.data.schemas import Pairs
from shoepair.evaluation import metrics
from shoepair.ingestion.config import ValidateConfig
from shoepair.models import registry
from shoepair.models.config import PretrainedConfig
from shoepair.models.efficientnet import EfficientNetLite
from shoepair.models.pretrained import PretrainedModel
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def export(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_onnx_says_of_all_test_pairs_what_torch_says(trained: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    usage.decide(model="cnn_channel", temperature=1.5)
    rows = parquet_files.read_table(paths.PAIRS, Pairs)
    tests = rows[rows["split"].isin(metrics.TEST_SPLITS)]
    assert f"logits of {len(tests)} test pairs differ from torch's by " in export("onnx")
    session = onnxruntime.InferenceSession("reports/cnn_channel.onnx", providers=["CPUExecutionProvider"])
    judge = predictor.load_predictor()
    count, difference = exports.pair_count_and_max_logit_difference(judge, session)
    assert count == len(tests) > 0
    assert difference <= 1e-4
    assert json.loads(session.get_modelmeta().custom_metadata_map["shoepair"])["temperature"] == 1.5
    assert session.get_inputs()[0].shape[1:] == [3, 2 * EDGE, EDGE]
    for pairs in (1, 5):
        pair = np.zeros((pairs, 3, 2 * EDGE, EDGE), np.float32)
        assert session.run(None, {"pairs": pair})[0].shape == (pairs, 2)
    content = Path("reports/cnn_channel.onnx").read_bytes()
    for folder in (trained, ROOT, sys.prefix):
        assert str(folder).encode() not in content
    export("onnx", "--output", "again/model.onnx")
    assert Path("again/model.onnx").read_bytes() == content, "the same weights give the same bytes"


def test_onnx_that_differs_is_not_written(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    usage.decide(model="cnn")
    monkeypatch.setattr(exports, "pair_count_and_max_logit_difference", lambda judge, session: (9, 0.5))  # noqa: ARG005
    with pytest.raises(ShoepairError, match=r"logits differ from torch's by 5.0e-01, expected 1e-04 at most"):
        export("onnx")
    assert not list(Path("reports").glob("*.onnx*"))


def test_difference_of_large_logits_is_a_share_of_them_and_one_that_is_no_number_stays_none() -> None:
    small, large = np.array([[0.0, 0.5]], np.float32), np.array([[0.0, -11.0]], np.float32)
    off = np.float32(1.3e-4)
    assert exports.largest_difference(small, small + off) > exports.MAX_LOGIT_DIFFERENCE
    assert exports.largest_difference(large, large - np.array([[0, off]], np.float32)) < exports.MAX_LOGIT_DIFFERENCE
    assert np.isnan(exports.largest_difference(large, np.array([[0, np.nan]], np.float32)))


@pytest.mark.parametrize("split", ["train", "test_w"])
def test_npy_is_the_array_of_the_assignment(trained: Path, split: str) -> None:  # noqa: ARG001
    said = export("npy", "--split", split)
    got = np.load(f"reports/{split}.npy")
    wanted = photo_loading.load_split(split)
    assert got.dtype == np.float32
    assert got.shape == wanted.shape == (len(wanted), 3, 2, EDGE, EDGE, 3)
    assert (got == wanted).all()
    assert got.min() >= -0.5
    assert got.max() <= 0.5
    assert said.startswith(f"reports/{split}.npy: {len(wanted)} x 3 x 2 x {EDGE} x {EDGE} x 3 float32")


@pytest.mark.parametrize("name", registry.MODEL_CLASSES)
def test_every_model_can_be_exported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    towers.use_tiny_network(monkeypatch)
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    onnx_reference = pytest.importorskip("onnx.reference", reason="the extra `onnx` is not installed")
    model = registry.build_model(
        name, registry.ModelConfig(edge=16, batch_norm=True, dropout=0.3, tta=True), seed=1
    ).eval()
    if isinstance(model, PretrainedModel):  # without a training all logits would be 0
        torch.nn.init.normal_(model.comparison.weight, generator=torch.Generator().manual_seed(3))
    judge = PairPredictor(usage.rule(model=name), model, EDGE, ValidateConfig)  # type: ignore[arg-type]  # no photo is judged
    (tmp_path / "model.onnx").write_bytes(exports.serialize_onnx(judge))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    pairs = torch.rand(5, 3, 2 * EDGE, EDGE, generator=torch.Generator().manual_seed(2)) - 0.5
    with torch.inference_mode():
        wanted = model(pairs).numpy()
    reference = onnx_reference.ReferenceEvaluator(str(tmp_path / "model.onnx"))  # onnx's own, in NumPy
    for evaluator in (session, reference):
        logits = evaluator.run(None, {"pairs": pairs.numpy()})[0]
        assert exports.largest_difference(wanted, logits) < exports.MAX_LOGIT_DIFFERENCE


def test_pretrained_network_itself_can_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    monkeypatch.setattr(EfficientNetLite, "edge", 64)  # of the photos: the layers are all there
    model = registry.build_pretrained_model("efficientnet_finetuned", PretrainedConfig()).eval()
    torch.nn.init.normal_(model.comparison.weight, generator=torch.Generator().manual_seed(3))
    judge = PairPredictor(usage.rule(), model, 64, ValidateConfig)  # type: ignore[arg-type]  # no photo is judged
    (tmp_path / "model.onnx").write_bytes(exports.serialize_onnx(judge))
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    pairs = torch.rand(9, 3, 128, 64, generator=torch.Generator().manual_seed(2)) - 0.5
    with torch.inference_mode():
        wanted = model(pairs).numpy()
    assert np.ptp(wanted[:, 1]) > 0.1
    logits = session.run(None, {"pairs": pairs.numpy()})[0]
    assert exports.largest_difference(wanted, logits) < exports.MAX_LOGIT_DIFFERENCE
