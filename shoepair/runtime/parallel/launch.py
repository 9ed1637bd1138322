"""Processes that do one work together, such as training a model on several cores, accelerators or machines.

On this machine torch's own launcher starts them, on a cluster Ray Train. Where one dies all begin anew: the work must
know how far it was. What one of them finds wrong comes out here, once, and nothing is tried again for it.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil

from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import LostError, ShoepairError
from shoepair.runtime.parallel.ray_cluster import connected, fitting, refused, taken, wanted, worker
from shoepair.runtime.parallel.scheduling import RETRIES, Room, given_up

ROOM = Path("checkpoints")  # where Ray Train keeps its notes while it runs
FEWER = "set SHOEPAIR_RANKS to fewer"

Result = TypeVar("Result")
Outcome = tuple[Any, Any]  # what went wrong, or None; what the work returned


def here(work: Callable[[], Result], name: str, ranks: int, cores: int, *, gpus: bool) -> Result:
    """See `parallel.together`: on this machine."""
    del cores, gpus  # `work` looks itself for its threads, and for its accelerator
    if ranks > count_cores():
        found = f"SHOEPAIR_RANKS={ranks}: this machine has {count_cores()} cores"
        raise ShoepairError(found, fix=f"{FEWER}, or SHOEPAIR_ENGINE=ray where there is a cluster")
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # what torchrun itself calls

    config = LaunchConfig(1, 1, ranks, max_restarts=RETRIES, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0")
    config.run_id, config.local_addr, config.start_method = name, "127.0.0.1", "spawn"
    logs = tempfile.TemporaryDirectory()  # torch makes one, and would leave it
    config.logs_specs = DefaultLogsSpecs(log_dir=logs.name)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # until `work` sets its threads
    try:
        with logs:
            outcomes = elastic_launch(config, _rank)(work)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        fix = "see whether memory ran out (the system's log tells), then run the command again"
        raise given_up(name, f"a rank ended with status {failure.exitcode}", fix) from None
    result: Result = _settled([outcomes[rank] for rank in sorted(outcomes)])
    return result


def _rank(work: Callable[[], Any]) -> Outcome:
    """What a process on this machine does: an error is its result, since only a death shall begin all anew."""
    try:
        return None, work()
    except LostError:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # it shall come out where the work was asked for
        return error, None
    except SystemExit:  # another rank has failed, and tells why
        return None, None


def _settled(outcomes: list[Outcome]) -> Any:
    """What the first rank returned, unless one has failed."""
    for error, _ in outcomes:
        if error:
            raise error
    return outcomes[0][1]


def on_ray(work: Callable[[], Result], name: str, ranks: int, cores: int, *, gpus: bool) -> Result:
    """See `parallel.together`: on a Ray cluster."""
    ray = connected()
    each = _resources(ray, ranks, cores, gpus=gpus)
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.backend import BackendConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    this = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    notes = ray.remote(num_cpus=0, scheduling_strategy=this)(_Notes).remote()
    ROOM.mkdir(exist_ok=True)
    mark = Path(tempfile.mkdtemp(prefix="ray-", dir=ROOM))
    do = worker(str(Path.cwd()))
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    # Not Ray's TorchTrainer: its ranks look for each other at the address of their host's name, often 127.0.0.1. The
    # class below it has no other name in version 2 of Ray Train.
    trainer = DataParallelTrainer(
        _loop(do, ray.put(partial(_joining, work, str(mark))), notes),
        backend_config=BackendConfig(),
        scaling_config=ScalingConfig(num_workers=ranks, use_gpu="GPU" in each, resources_per_worker=each),
        run_config=RunConfig(
            name="run",
            storage_path=str(mark.resolve()),
            failure_config=FailureConfig(max_failures=RETRIES, controller_failure_limit=RETRIES),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        why = str(error).strip().splitlines()[-1]
        raise given_up(name, why, "look at the nodes with `ray status`, then run it again") from None
    finally:
        shutil.rmtree(mark, ignore_errors=True)
    outcomes = ray.get(notes.all.remote())
    result: Result = _settled([(refused(fault) if isinstance(fault, tuple) else fault, of) for fault, of in outcomes])
    return result


class _Notes:
    """What the ranks leave on the machine that asked for the work: an error, or what the first one returns."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def take(self, rank: int, outcome: Outcome) -> None:
        if rank == 0 or outcome[0]:
            self.outcomes.append(outcome)

    def all(self) -> list[Outcome]:
        return self.outcomes


def _loop(do: Callable[[list[Any]], tuple[Any, Any]], order: Any, notes: Any) -> Callable[[], None]:
    """What a worker does; a function within a function, so that it is sent whole to nodes that lack this package."""

    def loop() -> None:
        import socket

        import ray
        from ray.train import get_context
        from ray.train.collective import broadcast_from_rank_zero

        if ray.get(notes.all.remote()):
            return  # begun anew after an error that no other try puts right
        rank = get_context().get_world_rank()
        own = ray.util.get_node_ip_address()
        with socket.create_server(("", 0)) as free:
            port = free.getsockname()[1]
        address, port = broadcast_from_rank_zero((own, port))
        variables = {
            "RANK": rank,
            "WORLD_SIZE": get_context().get_world_size(),
            "LOCAL_RANK": 0,  # of the accelerators that a rank sees: Ray shows each its own alone
            "MASTER_ADDR": address,
            "MASTER_PORT": port,
        }
        try:
            fault, result = do([order, ray.put((own, variables))])
        except SystemExit:
            raise RuntimeError("another rank has failed") from None  # noqa: EM101  # nobody reads it
        except Exception as error:  # whatever it is, it shall come out where the work was asked for
            if type(error).__name__ == "LostError":  # by name: here nothing of the package may be imported
                raise
            ray.get(notes.take.remote(rank, (error, None)))
            raise
        if fault:
            ray.get(notes.take.remote(rank, (fault, None)))
            raise RuntimeError(fault)
        ray.get(notes.take.remote(rank, (None, result)))

    return loop


def _joining(work: Callable[[], Result], mark: str, place: tuple[str, dict[str, object]]) -> Result:
    """Work as a rank on a cluster, in a folder that must be the one of the machine that asked for it.

    Args:
        work: what is done.
        mark: a folder that was made for this run.
        place: this node's address, and the variables that torchrun would set.
    """
    if not Path(mark).is_dir():
        found = f"{Path.cwd()}: a copy, expected the folder of the machine where the command runs"
        raise ShoepairError(found, fix="put the project on a disk that all nodes share")
    own, variables = place
    os.environ.update({name: str(value) for name, value in variables.items()})
    for name, addresses in psutil.net_if_addrs().items():
        if own in [each.address for each in addresses]:
            os.environ.update({"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name})
    return work()


def _resources(ray: Any, ranks: int, cores: int, *, gpus: bool) -> dict[str, int]:
    """What a rank takes of a node, where the cluster has so much of it; Ray itself would wait for ever.

    Raises:
        ShoepairError: it has not.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    each = taken(nodes, Room(cores, accelerator=gpus))
    room = sum(fitting(node, each) for node in nodes)
    if ranks > room:
        found = f"SHOEPAIR_RANKS={ranks}: the cluster has room for {room} ranks of {wanted(each)} each"
        raise ShoepairError(found, fix=f"{FEWER}, or start more nodes: `ray start --address=HOST:PORT`")
    return each
