"""dvc.lock read by lines says what a YAML parser says."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.field import ROOT

from shoepair.commands.history import lock_lines
from shoepair.runtime import yaml_files
from shoepair.runtime.errors import ShoepairError


def test_records_of_this_project_are_read_as_by_a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stages = yaml_files.parse_mapping(Path("dvc.lock").read_bytes(), "dvc.lock", "")["stages"]
    outs = {stage: [out["path"] for out in record.get("outs", [])] for stage, record in stages.items()}
    assert lock_lines.read_outs_by_stage() == outs
    assert lock_lines.read_stage("train@siamese") == stages["train@siamese"]


def test_missing_record_has_no_stages_and_a_damaged_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lock_lines.read_outs_by_stage() == {}
    Path("dvc.lock").write_bytes(b"\0\1")
    with pytest.raises(ShoepairError, match=r"dvc\.lock: not a DVC record\nrun `shoepair doctor`"):
        lock_lines.read_outs_by_stage()
