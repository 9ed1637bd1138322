"""The way back from an output: digests, parameters and library versions of its record."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.field import ROOT

from shoepair.commands.history import origins
from shoepair.runtime.errors import ShoepairError


@pytest.mark.parametrize("path", ["models/siamese", "./models/siamese.safetensors", "plots/training/siamese.csv"])
def test_model_names_data_code_parameters_and_libraries(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    origin = origins.describe_origin(path)
    assert (origin["stage"], origin["command"]) == ("train@siamese", "python -m stages.train siamese")
    assert sorted(origin["data"]) == ["data/pairs.parquet", "data/store", "data/synthetic"]
    assert "stages/train.py" in origin["code"]
    assert origin["parameters"]["params.yaml"]["epochs"]
    assert {"torch", "numpy"} <= origin["libraries"].keys()
    text = origins.format_origin(origin)
    assert f"output     {origin['outputs']['models/siamese.safetensors']}" in text
    assert f"library    torch {origin['libraries']['torch']}" in text


def test_output_that_is_not_as_recorded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = "schema: '2.0'\nstages:\n  pairs:\n    cmd: x\n    outs:\n    - path: a.bin\n      md5: {}\n"
    for digest, changed in (("0cc175b9c0f1b6a831c399e269772661", []), ("0" * 32, ["a.bin"])):
        Path("a.bin").write_text("a")
        Path("dvc.lock").write_text(record.format(f"'{digest}'"))
        assert origins.describe_origin("a.bin")["changed"] == changed
    Path("a.bin").unlink()
    assert "changed    a.bin is not as it was recorded" in origins.format_origin(origins.describe_origin("a.bin"))
    with pytest.raises(ShoepairError, match=r"models/x: no output that dvc\.lock records"):
        origins.describe_origin("models/x")
