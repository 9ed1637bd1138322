"""`shoepair doctor` after a kill: it repairs what is damaged and changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Run, commit, use_real_programs

from benchmarks import kill

UNTIL = ("normalize", "pairs")  # training takes most of a minute


@pytest.mark.parametrize("commands", [("repro",), ("shoepair repro",), ("add", "forget", "remove")], ids=" ".join)
def test_commands_killed_at_any_moment_end_as_if_nothing_had_happened(
    repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch, commands: tuple[str, ...]
) -> None:
    run("dvc", "repro", "-q", *UNTIL)
    commit("Build")
    use_real_programs(monkeypatch)
    kills = list(kill.run_kills(repository, times=3, seed=1, until=UNTIL, commands=commands))
    assert [result.problem for result in kills if result.problem] == []
    assert [result.command for result in kills] == [*commands * 3][:3]
    assert any(result.other for result in kills)
