"""`shoepair doctor` after a kill: it repairs what is damaged and changes nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks import kill


def test_pipeline_killed_at_any_moment_ends_as_if_nothing_had_happened(trained: Path) -> None:
    kills = list(kill.run_kills(trained, times=4, seed=1, dvc=("dvc",)))
    assert [result.moment for result in kills if result.problem] == []
    assert len({result.stage for result in kills}) > 1, "all of them met the same stage"
