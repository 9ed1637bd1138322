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


def test_leftover_of_another_program_changes_nothing_and_a_photo_does(repository: Path, run: Run) -> None:
    """So it runs no stage again; DVC would otherwise record it, and hash the batch anew."""
    raw = repository / "data/raw/tiny"
    for name in ("thumbs.db", "train/Icon\r", "train/@eaDir/u001_1_left_m.jpg/x", "train/u001_1_left_m.xmp", ".a/b"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(b"x")
    assert run("dvc", "status", "data/raw/tiny.dvc").stdout == "Data and pipelines are up to date.\n"
    (raw / "train/list.xlsx").write_bytes(b"x")
    assert "modified" in run("dvc", "status", "data/raw/tiny.dvc").stdout
