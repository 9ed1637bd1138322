"""One flipped byte, wherever it lies, is noticed and named; and what is told to do about it helps."""

from __future__ import annotations

import os
from pathlib import Path

from support.commands import CLI, Run
from support.faults import flip
from support.field import outputs

from shoepair.runtime import paths

VERIFY = (*CLI, "verify")


def test_every_flipped_byte_is_named_and_the_advice_helps(trained: Path, run: Run) -> None:
    sound = outputs(trained)
    assert "all match the records" in run(*VERIFY).stdout
    for path in (paths.store_path("tiny"), paths.PAIRS, Path("models/cnn.safetensors"), paths.EVALUATION_METRICS):
        flip(path)
        said = run(*VERIFY, status=1).stderr
        assert f"{path}: changed since it was recorded" in said
        assert "1 problem;" in said
        os.utime(path)  # DVC looks at a file again when its time is new
        if path == paths.EVALUATION_METRICS:
            run("dvc", "repro", "-q")
        else:
            run("dvc", "checkout", "-q", "-f", str(path))
        assert outputs(trained) == sound
    assert "all match the records" in run(*VERIFY).stdout

    cached = trained / ".dvc/cache/files/md5"
    victim = next(
        path for path in sorted(cached.glob("??/*")) if path.read_bytes() == sound[str(paths.store_path("tiny"))]
    )
    flip(victim)
    said = run(*VERIFY, status=1).stderr
    assert f"{victim.relative_to(trained)}: its content does not match its name; delete it" in said
    victim.unlink()
    run("dvc", "commit", "-q", "-f")
    assert "all match the records" in run(*VERIFY).stdout
