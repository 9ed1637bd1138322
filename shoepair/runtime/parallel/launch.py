"""Launches ranks: processes that train one model together, on several cores, accelerators or machines.

Torch's launcher starts them on this machine, Ray Train on a cluster. If a rank dies all restart, so the function must
resume from a checkpoint. An exception of a rank is raised here once, without a retry.
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

from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import PeerLostError, ShoepairError
from shoepair.runtime.parallel.ray_cluster import (
    connect_and_import_ray,
    count_slots,
    format_resources,
    from_node_failure,
    make_node_task_runner,
    node_task_resources,
)
from shoepair.runtime.parallel.scheduling import MAX_RETRIES, Resources, retries_exhausted_error

RUN_FOLDER = Path("checkpoints")  # of the files that Ray Train writes while it runs
FEWER_RANKS_FIX = "set SHOEPAIR_RANKS to fewer"

Result = TypeVar("Result")
Outcome = tuple[Any, Any]  # exception or None, result


def run_ranks_locally(
    function: Callable[[], Result], name: str, world_size: int, cores_per_rank: int, *, use_gpu: bool
) -> Result:
    """Run the ranks of `parallel.run_ranks` on this machine, with torch's launcher."""
    del cores_per_rank, use_gpu  # `function` sets its threads and finds its accelerator itself
    if world_size > count_cores():
        message = f"SHOEPAIR_RANKS={world_size}: this machine has {count_cores()} cores"
        raise ShoepairError(message, fix=f"{FEWER_RANKS_FIX}, or SHOEPAIR_ENGINE=ray where there is a cluster")
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # what torchrun itself calls

    config = LaunchConfig(1, 1, world_size, max_restarts=MAX_RETRIES, rdzv_backend="c10d", rdzv_endpoint="127.0.0.1:0")
    config.signals_to_handle = "SIGTERM,SIGHUP,SIGQUIT"  # Ctrl-C stays a KeyboardInterrupt
    config.run_id, config.local_addr, config.start_method = name, "127.0.0.1", "spawn"
    logs = tempfile.TemporaryDirectory()  # else torch creates a folder and leaves it
    config.logs_specs = DefaultLogsSpecs(log_dir=logs.name)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # until `function` sets its threads
    try:
        with logs:
            outcomes = elastic_launch(config, _run_rank)(function)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        fix = "check the system log for an out-of-memory kill, then run the command again"
        raise retries_exhausted_error(name, f"a rank ended with status {failure.exitcode}", fix) from None
    result: Result = _first_result([outcomes[rank] for rank in sorted(outcomes)])
    return result


def _run_rank(function: Callable[[], Any]) -> Outcome:
    """Return (None, result) or (exception, None); exit if a peer was lost, since only a death restarts all ranks."""
    try:
        return None, function()
    except PeerLostError:
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # raised again by the launching process
        return error, None
    except SystemExit:  # another rank has failed, and reports why
        return None, None


def _first_result(outcomes: list[Outcome]) -> Any:
    """Return the first rank's result, or raise the error of a rank that failed."""
    for error, _ in outcomes:
        if error:
            raise error
    return outcomes[0][1]


def run_ranks_on_ray(
    function: Callable[[], Result], name: str, world_size: int, cores_per_rank: int, *, use_gpu: bool
) -> Result:
    """Run the ranks of `parallel.run_ranks` on a Ray cluster, with Ray Train."""
    ray = connect_and_import_ray()
    per_rank = _rank_resources(ray, world_size, cores_per_rank, use_gpu=use_gpu)
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.backend import BackendConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    outcome_store = ray.remote(num_cpus=0, scheduling_strategy=this_node)(_OutcomeStore).remote()
    RUN_FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir=RUN_FOLDER))
    task = make_node_task_runner(str(Path.cwd()))
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    # Not Ray's TorchTrainer: its ranks connect to the address of their host's name, often 127.0.0.1. Version 2 of Ray
    # Train exports its base class under this name only.
    trainer = DataParallelTrainer(
        _make_rank_loop(task, ray.put(partial(_run_ray_rank, function, str(folder))), outcome_store),
        backend_config=BackendConfig(),
        scaling_config=ScalingConfig(num_workers=world_size, use_gpu="GPU" in per_rank, resources_per_worker=per_rank),
        run_config=RunConfig(
            name="run",
            storage_path=str(folder.resolve()),
            failure_config=FailureConfig(max_failures=MAX_RETRIES, controller_failure_limit=MAX_RETRIES),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        reason = str(error).strip().splitlines()[-1]
        raise retries_exhausted_error(name, reason, "check the nodes with `ray status`, then run it again") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    outcomes = ray.get(outcome_store.all.remote())
    result: Result = _first_result(
        [(from_node_failure(error) if isinstance(error, tuple) else error, value) for error, value in outcomes]
    )
    return result


class _OutcomeStore:
    """Outcomes of the ranks, kept on the launching machine: every error, and the first rank's result."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def add(self, rank: int, outcome: Outcome) -> None:
        if rank == 0 or outcome[0]:
            self.outcomes.append(outcome)

    def all(self) -> list[Outcome]:
        return self.outcomes


def _make_rank_loop(
    task: Callable[[list[Any]], tuple[Any, Any]], function_ref: Any, outcome_store: Any
) -> Callable[[], None]:
    """Return the function that a Ray Train worker runs; nested, so that nodes without this package get its code."""

    def loop() -> None:
        import socket

        import ray
        from ray.train import get_context
        from ray.train.collective import broadcast_from_rank_zero

        if ray.get(outcome_store.all.remote()):
            return  # restarted after an error that a retry does not correct
        rank = get_context().get_world_rank()
        node_address = ray.util.get_node_ip_address()
        with socket.create_server(("", 0)) as free:
            port = free.getsockname()[1]
        address, port = broadcast_from_rank_zero((node_address, port))
        variables = {
            "RANK": rank,
            "WORLD_SIZE": get_context().get_world_size(),
            "LOCAL_RANK": 0,  # Ray shows each rank its own accelerator only
            "MASTER_ADDR": address,
            "MASTER_PORT": port,
        }
        try:
            failure, result = task([function_ref, ray.put((node_address, variables))])
        except SystemExit:
            raise RuntimeError("another rank has failed") from None  # noqa: EM101  # never printed
        except Exception as error:  # raised again by the launching process
            if type(error).__name__ == "PeerLostError":  # by name: the package cannot be imported here
                raise
            ray.get(outcome_store.add.remote(rank, (error, None)))
            raise
        if failure:
            ray.get(outcome_store.add.remote(rank, (failure, None)))
            raise RuntimeError(failure)
        ray.get(outcome_store.add.remote(rank, (None, result)))

    return loop


def _run_ray_rank(function: Callable[[], Result], run_folder: str, node: tuple[str, dict[str, object]]) -> Result:
    """Run a function as a rank on a cluster node, in the project folder of the launching machine.

    Args:
        function: what the rank runs.
        run_folder: the folder of this run; it is missing if the node has a copy of the project.
        node: this node's address, and the variables that torchrun would set.
    """
    if not Path(run_folder).is_dir():
        message = f"{Path.cwd()}: a copy, expected the folder of the machine where the command runs"
        raise ShoepairError(message, fix="put the project on a disk shared by all nodes")
    import psutil  # imported late: on a cluster only

    node_address, variables = node
    os.environ.update({name: str(value) for name, value in variables.items()})
    for name, addresses in psutil.net_if_addrs().items():
        if node_address in [item.address for item in addresses]:
            os.environ.update({"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name})
    return function()


def _rank_resources(ray: Any, world_size: int, cores_per_rank: int, *, use_gpu: bool) -> dict[str, int]:
    """Return the Ray resources of one rank. Checks that all ranks fit: Ray itself would wait for ever.

    Raises:
        ShoepairError: the cluster has too few slots.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    required = node_task_resources(nodes, Resources(cores_per_rank, uses_accelerator=use_gpu))
    slots = sum(count_slots(node, required) for node in nodes)
    if world_size > slots:
        text = format_resources(required)
        message = f"SHOEPAIR_RANKS={world_size}: the cluster has room for {slots} ranks of {text} each"
        raise ShoepairError(message, fix=f"{FEWER_RANKS_FIX}, or start more nodes: `ray start --address=HOST:PORT`")
    return required
