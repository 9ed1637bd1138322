"""Export of the best model as ONNX, and of the photos as a NumPy file."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from shoepair.commands.serving.predictor import PairPredictor, load_predictor
from shoepair.data import loading, parquet_files, photo_loading
from shoepair.data.schemas import Pairs
from shoepair.data.store import scale_to_centred_float
from shoepair.evaluation.metrics import TEST_SPLITS
from shoepair.models import inference
from shoepair.runtime import atomic_files, paths, progress
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_LOGIT_DIFFERENCE = 1e-4  # between torch and onnxruntime, of a logit below 1; of a larger one this share of it
COMPARE_BATCH = 2  # pairs; see `inference.DESCRIBED_AT_A_TIME`


def export_and_compare_onnx(output_path: Path | None = None) -> tuple[Path, int, float]:
    """Export the best model as ONNX, after checking its logits against torch on all test pairs.

    Input `pairs` (B, 3, 2S, S) float32 of byte / 255 - 0.5, left shoe above right one, any B; output `logits` (B, 2):
    different, same. The thresholds are in the file's metadata, as JSON. The default path is `reports/<model>.onnx`.

    Returns:
        The path, the number of compared pairs, and the largest difference, see `largest_difference`.

    Raises:
        ShoepairError: onnxruntime or onnxscript is not installed, or the difference is above `MAX_LOGIT_DIFFERENCE`.
    """
    try:
        import onnxruntime  # imported late: it is an extra
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        message = f"export onnx: {error.name} is not installed"
        raise ShoepairError(message, fix="install it: python -m pip install -e '.[onnx]'") from None
    predictor = load_predictor()
    target = output_path or Path("reports") / f"{predictor.decision_rule.model}.onnx"
    with atomic_files.atomic_write(target) as part:
        part.write_bytes(serialize_onnx(predictor))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: it warns of missing devices
        session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
        count, difference = pair_count_and_max_logit_difference(predictor, session)
        if not difference <= MAX_LOGIT_DIFFERENCE:
            expected = f"expected {MAX_LOGIT_DIFFERENCE:.0e} at most"
            message = f"{target}: logits differ from torch's by {difference:.1e}, {expected}"
            fix = "nothing was written; report it with your versions of torch and onnxruntime"
            raise ShoepairError(message, fix=fix)
    return target, count, difference


def serialize_onnx(predictor: PairPredictor) -> bytes:
    """Serialize the model to ONNX bytes; the same weights give the same bytes, without local paths."""
    example = torch.zeros(2, 3, 2 * predictor.edge, predictor.edge)
    # Contiguous weights: for channels-last ones the exporter would add transpositions.
    model = predictor.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # the exporter logs its registries
    with warnings.catch_warnings(action="ignore"):  # of deprecated Python calls
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=["pairs"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("B")},),
            verbose=False,
        )
    if program is None:
        message = "export onnx: torch returned no program"
        raise ShoepairError(message)
    for node in program.model.graph:
        node.metadata_props.clear()  # source lines with paths of this machine
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        value.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.metadata_props["shoepair"] = json.dumps(predictor.decision_rule.model_dump(), allow_nan=False)
    return bytes(program.model_proto.SerializeToString(deterministic=True))


def pair_count_and_max_logit_difference(predictor: PairPredictor, session: InferenceSession) -> tuple[int, float]:
    """Measure the largest difference between the logits of onnxruntime and torch on all test pairs.

    See `largest_difference`.
    """
    rows = parquet_files.read_table(paths.PAIRS, Pairs)
    tests = rows[rows["split"].isin(TEST_SPLITS)]
    if tests.empty:
        return 0, 0.0
    data = loading.load_pairs_in_memory(tests)
    difference = 0.0
    for indices in torch.split(torch.arange(len(tests)), COMPARE_BATCH):
        x = data.get_mini_batch(indices)[0]  # (B, 3, 2S, S)
        with torch.inference_mode():
            logits = predictor.model(x)
        inference.raise_if_not_finite(logits, predictor.decision_rule.model)
        torch_logits = logits.numpy()
        onnx_logits = session.run(["logits"], {"pairs": np.ascontiguousarray(x.numpy())})[0]
        # np.maximum keeps NaN, max() does not.
        difference = float(np.maximum(difference, largest_difference(torch_logits, onnx_logits)))
    return len(tests), difference


def largest_difference(logits: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Return the largest difference of two logits, as a share of the logit where that is above 1.

    Single precision rounds shares: a logit of 11, a probability of 100 %, may be off by more than one of 0.5.
    """
    return float((np.abs(logits - others) / np.maximum(np.abs(logits), 1)).max())


def export_npy(split: str, output_path: Path | None = None) -> tuple[Path, tuple[int, ...]]:
    """Export the photos of one split as a .npy file, with one student in memory at a time.

    The default path is `reports/<split>.npy`.

    Returns:
        The path, and the shape (N, 3, 2, S, S, 3) of the array: float32 of -0.5..0.5, as `load_split` returns it.

    Raises:
        ShoepairError: there is no such split, it has no students, or the stores differ in photo size.
    """
    students = photo_loading.load_split_student_rows(split)
    target = output_path or Path("reports") / f"{split}.npy"
    shape: tuple[int, ...] = ()
    with atomic_files.atomic_write(target) as part, part.open("wb") as file:
        for student in progress.track(photo_loading.iter_student_photos(students), "export", "student", len(students)):
            if not shape:
                shape = (len(students), *student.shape)
                header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(scale_to_centred_float(student).astype("<f4", copy=False).data)
    return target, shape
