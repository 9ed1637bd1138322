"""The pipeline's own files: what dvc.yaml declares against what the code uses."""

from __future__ import annotations

from pathlib import Path

from support.commands import Run


def test_dvc_sees_every_tracked_batch(repository: Path, run: Run) -> None:
    names = run("dvc", "stage", "list", "--all", "--name-only").stdout.split()
    assert "data/raw/tiny.dvc" in names, "the .gitignore hides .dvc files from DVC"
    assert {"ingest@tiny", "validate@tiny", "normalize@tiny", "split", "pairs", "evaluate"} <= set(names)
    assert not [name for name in names if name.startswith("sample")], "no sample class was declared"
    assert (repository / "data/raw/tiny.dvc").is_file()
