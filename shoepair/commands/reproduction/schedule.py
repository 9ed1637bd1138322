"""Which stages may run now: pure bookkeeping of a plan, its cores, its running stages and its failures."""

from __future__ import annotations

from collections.abc import Sequence

from shoepair.commands.reproduction.plan import PlannedStage


class Schedule:
    """The progress of a plan.

    Stages on the longest way to the end start first. By default, stages that would be left for a last round, in which
    cores are idle, start too and share the cores: three equal trainings on two cores end after 1.5 times one of them,
    not after twice.

    Args:
        stages: in the order of `dvc repro`; only the affected ones run.
        cores: for all running stages together. A stage that takes more runs alone.
        fills_last_round: whether a last, incomplete round shares the cores.
    """

    def __init__(self, stages: Sequence[PlannedStage], cores: int, *, fills_last_round: bool) -> None:
        self._cores = cores
        self._fills_last_round = fills_last_round
        self._waiting = {stage.name: stage for stage in stages if stage.is_affected}
        self._running: dict[str, PlannedStage] = {}
        self._done = {stage.name for stage in stages if not stage.is_affected}
        self._ranks = _rank_stages(stages)
        self.failed: list[str] = []

    @property
    def skipped(self) -> list[str]:
        """The stages that will not run, since one that they need has failed; in the order of the plan."""
        lost = set(self.failed)
        for stage in self._waiting.values():  # what a stage needs comes before it
            if stage.needs & lost:
                lost.add(stage.name)
        return [name for name in self._waiting if name in lost]

    def start_ready(self) -> list[tuple[str, int]]:
        """Mark all stages that may start now as running; return each with its share of the cores."""
        ready = [stage for stage in self._waiting.values() if stage.needs <= self._done]
        candidates = [*self._running.values(), *ready]
        is_last_round = self._fills_last_round and sum(stage.cores for stage in candidates) < 2 * self._cores
        started: list[tuple[str, int]] = []
        for stage in sorted(ready, key=lambda stage: self._ranks[stage.name]):
            taken = sum(other.cores for other in self._running.values())
            has_room = not taken or is_last_round or taken + stage.cores <= self._cores
            if has_room and not any(stage.overlaps(other) for other in self._running.values()):
                del self._waiting[stage.name]
                self._running[stage.name] = stage
                started.append((stage.name, max(stage.cores, self._cores // len(candidates))))
        return started

    def end(self, name: str, *, has_failed: bool) -> None:
        """Mark a running stage as done, or as failed: then no stage that needs it starts."""
        del self._running[name]
        if has_failed:
            self.failed.append(name)
        else:
            self._done.add(name)

    def is_running(self) -> bool:
        """Return whether a stage runs."""
        return bool(self._running)


def _rank_stages(stages: Sequence[PlannedStage]) -> dict[str, tuple[int, int]]:
    """Return a sort key for each stage: the longer the chain of stages that need it, the sooner it starts."""
    lengths = dict.fromkeys((stage.name for stage in stages), 1)
    for stage in reversed(stages):
        for name in stage.needs:
            lengths[name] = max(lengths[name], lengths[stage.name] + 1)
    return {stage.name: (-lengths[stage.name], number) for number, stage in enumerate(stages)}
