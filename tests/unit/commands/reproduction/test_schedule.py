"""Which stages run at the same time, in which order, and what a failure leaves out; without processes."""

from __future__ import annotations

import pytest

from shoepair.commands.reproduction.plan import PlannedStage
from shoepair.commands.reproduction.schedule import Schedule


def stage(name: str, *needs: str, cores: int = 1, affected: bool = True, writes: str = "") -> PlannedStage:
    return PlannedStage(name, frozenset(needs), (), (writes or f"/{name}",), cores, affected)


def names(schedule: Schedule) -> list[str]:
    return [name for name, _ in schedule.start_ready()]


def test_stage_starts_as_soon_as_all_that_it_needs_have_ended() -> None:
    schedule = Schedule([stage("a"), stage("b"), stage("c", "a", "b")], 4, fills_last_round=False)
    assert names(schedule) == ["a", "b"]
    assert names(schedule) == []
    schedule.end("b", has_failed=False)
    assert names(schedule) == []
    schedule.end("a", has_failed=False)
    assert names(schedule) == ["c"]
    schedule.end("c", has_failed=False)
    assert not schedule.is_running()
    assert schedule.failed == schedule.skipped == []


def test_unchanged_stages_do_not_run_and_keep_nobody_waiting() -> None:
    schedule = Schedule([stage("a", affected=False), stage("b", "a")], 1, fills_last_round=False)
    assert names(schedule) == ["b"]


def test_cores_are_counted_and_a_stage_of_more_runs_alone() -> None:
    plan = [stage("wide", cores=3), stage("a"), stage("double", cores=2), stage("b"), stage("c")]
    schedule = Schedule(plan, 2, fills_last_round=False)
    assert names(schedule) == ["wide"]
    schedule.end("wide", has_failed=False)
    assert names(schedule) == ["a", "b"]
    schedule.end("a", has_failed=False)
    assert names(schedule) == ["c"]
    schedule.end("b", has_failed=False)
    schedule.end("c", has_failed=False)
    assert names(schedule) == ["double"]


def test_longest_chain_starts_first() -> None:
    plan = [stage("report", "long3"), stage("alone"), stage("long1"), stage("long2", "long1"), stage("long3", "long2")]
    plan.append(plan.pop(0))
    assert names(Schedule(plan, 1, fills_last_round=False)) == ["long1"]


@pytest.mark.parametrize(("count", "at_once"), [(2, 2), (3, 3), (4, 2)])
def test_last_incomplete_round_shares_the_cores_unless_their_number_was_given(count: int, at_once: int) -> None:
    plan = [stage(f"train@{number}") for number in range(count)]
    assert len(names(Schedule(plan, 2, fills_last_round=True))) == at_once
    assert len(names(Schedule(plan, 2, fills_last_round=False))) == 2


def test_stages_share_the_cores_that_are_there() -> None:
    plan = [stage("a"), stage("b", cores=2), stage("c", "a")]
    assert dict(Schedule(plan, 16, fills_last_round=True).start_ready()) == {"a": 8, "b": 8}
    assert dict(Schedule([stage("a", cores=2), stage("b")], 2, fills_last_round=True).start_ready())["a"] == 2


@pytest.mark.parametrize(
    ("first", "second", "at_once"), [("/x", "/x/y", 1), ("/x/y", "/x", 1), ("/x", "/x", 1), ("/x", "/xy", 2)]
)
def test_stages_whose_paths_overlap_do_not_run_together(first: str, second: str, at_once: int) -> None:
    writer = PlannedStage("writer", frozenset(), (), (first,))
    for other in (PlannedStage("r", frozenset(), (second,), ("/r",)), PlannedStage("w", frozenset(), (), (second,))):
        for plan in ([writer, other], [other, writer]):
            schedule = Schedule(plan, 4, fills_last_round=True)
            assert len(names(schedule)) == at_once
            if at_once == 1:
                schedule.end(plan[0].name, has_failed=False)
                assert names(schedule) == [plan[1].name]


def test_stages_that_read_the_same_run_together() -> None:
    plan = [PlannedStage(name, frozenset(), ("/photos",), (f"/{name}",)) for name in "ab"]
    assert names(Schedule(plan, 2, fills_last_round=False)) == ["a", "b"]


def test_failure_leaves_out_what_needs_it_and_all_else_runs() -> None:
    plan = [stage("a"), stage("b"), stage("c", "a"), stage("d", "c"), stage("e", "b")]
    schedule = Schedule(plan, 2, fills_last_round=False)
    assert set(names(schedule)) == {"a", "b"}
    schedule.end("a", has_failed=True)
    assert names(schedule) == []
    schedule.end("b", has_failed=False)
    assert names(schedule) == ["e"]
    schedule.end("e", has_failed=False)
    assert names(schedule) == []
    assert (schedule.failed, schedule.skipped) == (["a"], ["c", "d"])
