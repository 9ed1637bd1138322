"""What `dvc repro` would do, from DVC's own graph: its stages in its order, and which of them have to be looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.dependency.param import ParamsDependency
from dvc.dvcfile import PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

from shoepair.commands.reproduction import COMMAND
from shoepair.runtime import project_lock
from shoepair.runtime.errors import ShoepairError

SECTION, THREADS = "train", "train.threads"  # how many cores a stage takes; it declares either
LOCK_SECONDS = 60.0  # for a `dvc` command that holds DVC's lock; one that runs a stage does not


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the plan.

    Args:
        name: as DVC calls it, such as "train@cnn", or "data/raw/winter.dvc" of tracked photos.
        needs: names of the planned stages that must end before it starts.
        reads: absolute paths, without a separator at the end.
        writes: likewise.
        cores: that it takes.
        is_affected: whether it has changed, or one that it needs is affected: DVC has to look at it.
    """

    name: str
    needs: frozenset[str]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    cores: int = 1
    is_affected: bool = True

    def overlaps(self, other: PlannedStage) -> bool:
        """Return whether one of the two writes what the other one reads or writes."""
        return _overlap(self.writes, (*other.reads, *other.writes)) or _overlap(self.reads, other.writes)


def _overlap(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(f"{a}{os.sep}".startswith(f"{b}{os.sep}") or b.startswith(f"{a}{os.sep}") for a in some for b in others)


def read_plan(targets: Sequence[str], print_line: Callable[[str], object]) -> list[PlannedStage]:
    """Return the stages of `dvc repro TARGETS` in its order.

    Args:
        targets: as for `dvc repro`; none for all stages of dvc.yaml.
        print_line: gets a line if a lock is waited for.

    Raises:
        ProjectInUseError: a `dvc` command runs a stage, or holds DVC's lock for long.
        ShoepairError: there is no such target; or DVC cannot read the project.
    """
    with open_locked_repository(print_line, LOCK_SECONDS) as repo:
        stages: list[Any] = []
        for target in targets or [PROJECT_FILE]:
            try:
                stages += collect_stages(repo, [target])
            except DvcException as error:
                raise _unknown_target(repo, target, error) if targets else error from None
        graph = get_active_graph(repo.index.graph)
        planned: dict[str, PlannedStage] = {}
        for stage in plan_repro(graph, list(dict.fromkeys(stages))):
            needs = frozenset(other.addressing for other in graph.successors(stage))
            is_affected = any(planned[name].is_affected for name in needs) or stage.changed()
            planned[stage.addressing] = PlannedStage(
                stage.addressing,
                needs,
                tuple(_list_paths(stage.deps)),
                tuple(_list_paths(stage.outs)),
                _count_cores(stage) if is_affected else 1,
                is_affected,
            )
        return list(planned.values())


@contextmanager
def open_locked_repository(print_line: Callable[[str], object], seconds: float = float("inf")) -> Iterator[Repo]:
    """Open DVC's repository and hold its lock in the block; wait for it if a `dvc` command holds it.

    Raises:
        ProjectInUseError: it is held for longer than so many seconds; or, from the block, a stage runs.
        ShoepairError: another error of DVC, also of the block.
    """
    try:
        with Repo(str(Path.cwd())) as repo, ExitStack() as stack:
            _lock(repo, stack, print_line, time.monotonic() + seconds)
            yield repo
    except LockError as error:
        raise project_lock.from_dvc_lock_error(COMMAND, error) from None
    except DvcException as error:
        raise project_lock.from_dvc_error(error) from None


def _lock(repo: Repo, stack: ExitStack, print_line: Callable[[str], object], end: float) -> None:
    is_told = False
    while True:
        try:
            stack.enter_context(lock_repo(repo))  # itself waits for some seconds
            return
        except LockError:
            if time.monotonic() > end:
                raise
        if not is_told:
            owner = "".join(project_lock.read_dvc_lock_owner())
            print_line(f"waiting for a `dvc` command that holds DVC's lock{owner and f' ({owner})'}")
            is_told = True


def _unknown_target(repo: Repo, target: str, error: DvcException) -> ShoepairError:
    names = [stage.addressing for stage in repo.index.stages]
    reason = " ".join(str(error).split())
    return ShoepairError(f"{target}: no such stage ({reason})", fix=f"expected one of {', '.join(names)}")


def _list_paths(items: Sequence[Any]) -> Iterator[str]:
    for item in items:
        yield str(item.fs_path).rstrip(os.sep)


def _count_cores(stage: Any) -> int:
    """Return the number of threads that a stage reads from its parameters; else 1."""
    for item in stage.deps:
        if isinstance(item, ParamsDependency) and {SECTION, THREADS} & {*item.params}:
            values = item.read_params()
            value = values.get(THREADS, values.get(SECTION, {}).get("threads"))
            return value if isinstance(value, int) else 1  # the stage itself refuses anything else
    return 1
