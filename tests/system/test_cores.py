"""The bits of a training follow from its parameters, not from the number of cores of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Run, use_real_programs

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # what torch and numpy take for the number of cores


def test_weights_are_the_same_on_one_core_and_on_sixteen(
    stage: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_real_programs(monkeypatch)  # a library reads the number when it is loaded
    monkeypatch.chdir(stage)
    weights = []
    for cores in ("1", "16"):
        for variable in VARIABLES:
            monkeypatch.setenv(variable, cores)
        run("python", "-m", "stages.train", "cnn")
        weights.append(Path("models/cnn.safetensors").read_bytes())
    assert weights[0] == weights[1]
