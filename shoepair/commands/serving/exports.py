"""The best model and the arrays of the class, for programs that are not this one: ONNX and NumPy files."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from shoepair.commands.serving.predictor import Judge, appoint
from shoepair.data import loading, tables
from shoepair.data.schemas import Pairs
from shoepair.data.store import scaled
from shoepair.evaluation.metrics import TESTS
from shoepair.runtime import files, paths, progress
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

TOLERANCE = 1e-4  # between a logit of torch and of onnxruntime
BATCH = 32


def onnx(path: Path | None = None) -> tuple[Path, int, float]:
    """Write the best model as an ONNX file, when onnxruntime says of all test pairs what torch says.

    Input `pairs` (B, 3, 2S, S) float32 of byte / 255 - 0.5, left shoe above right one, any B; output `logits` (B, 2):
    different, same. The thresholds are in the file's metadata, as JSON. Without a path it is `reports/<model>.onnx`.

    Returns:
        The file, how many pairs were compared, and the greatest difference of a logit.

    Raises:
        ShoepairError: what it needs is not installed, or the answers differ by more than `TOLERANCE`.
    """
    try:
        import onnxruntime  # here, since it is an extra
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        found = f"export onnx: {error.name} is not installed"
        raise ShoepairError(found, fix="install it: python -m pip install 'shoepair[onnx]'") from None
    judge = appoint()
    target = path or Path("reports") / f"{judge.rule.model}.onnx"
    with files.replacing(target) as part:
        part.write_bytes(serialized(judge))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors: it warns of a machine's missing devices
        session = onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
        count, difference = compare(judge, session)
        if not difference <= TOLERANCE:
            found = f"{target}: logits differ from torch's by {difference:.1e}, expected {TOLERANCE:.0e} at most"
            fix = "nothing was written; report it with your versions of torch and onnxruntime"
            raise ShoepairError(found, fix=fix)
    return target, count, difference


def serialized(judge: Judge) -> bytes:
    """The model as ONNX: the same weights give the same bytes, and no path of this machine is among them."""
    example = torch.zeros(2, 3, 2 * judge.edge, judge.edge)
    # Weights row by row: in channels-last layout the exporter would store each transposed, with a step that undoes it.
    model = judge.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # the exporter remarks on its own registries
    with warnings.catch_warnings(action="ignore"):  # likewise on Python calls that it will drop one day
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
        found = "export onnx: torch wrote no program"
        raise ShoepairError(found)
    for node in program.model.graph:
        node.metadata_props.clear()  # the exporter notes the source lines of each step, with the paths of this machine
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        value.metadata_props.clear()
    program.model.metadata_props.clear()
    program.model.metadata_props["shoepair"] = json.dumps(judge.rule.model_dump())
    return bytes(program.model_proto.SerializeToString(deterministic=True))


def compare(judge: Judge, session: InferenceSession) -> tuple[int, float]:
    """How far onnxruntime's logits are from torch's, over all pairs of the test sets."""
    rows = tables.read(paths.PAIRS, Pairs)
    tests = rows[rows["split"].isin(TESTS)]
    data = loading.from_table(tests) if len(tests) else None
    difference = 0.0
    for which in torch.split(torch.arange(len(tests)), BATCH) if data else ():
        x = data.batch(which)[0]  # type: ignore[union-attr]  # (B, 3, 2S, S)
        with torch.inference_mode():
            torchs = judge.model(x).numpy()
        theirs = session.run(["logits"], {"pairs": np.ascontiguousarray(x.numpy())})[0]
        difference = float(np.maximum(difference, np.abs(torchs - theirs).max()))  # of NaN: NaN, which max() is not
    return len(tests), difference


def npy(split: str, path: Path | None = None) -> tuple[Path, tuple[int, ...]]:
    """Write the photos of one split as the assignment wants them; one student at a time is in memory.

    Without a path the file is `reports/<split>.npy`.

    Returns:
        The file, and its shape (N, 3, 2, S, S, 3); float32 of -0.5..0.5, what `load_split` gives.

    Raises:
        ShoepairError: there is no such split, nobody is in it, or the stores are not of one size.
    """
    students = loading.students_in(split)
    target = path or Path("reports") / f"{split}.npy"
    shape: tuple[int, ...] = ()
    with files.replacing(target) as part, part.open("wb") as file:
        for student in progress.track(loading.each_student(students), "export", "student", len(students)):
            if not shape:
                shape = (len(students), *student.shape)
                header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(scaled(student).astype("<f4", copy=False).data)
    return target, shape
