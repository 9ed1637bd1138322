"""`shoepair doctor` after a kill: what it repairs, what it says, and that it touches nothing sound."""

from __future__ import annotations

from pathlib import Path

from benchmarks import kill


def test_pipeline_killed_at_any_moment_ends_as_if_nothing_had_happened(trained: Path) -> None:
    kills = list(kill.kills(trained, times=4, seed=1, dvc=("dvc",)))
    assert [each.moment for each in kills if each.problem] == []
    assert len({each.stage for each in kills}) > 1, "all of them met the same stage"
