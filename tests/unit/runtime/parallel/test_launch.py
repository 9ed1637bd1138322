"""Ranks: their outcomes, which of them is returned or raised, and the environment of a rank on a cluster."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoepair.runtime.errors import PeerLostError, ShoepairError
from shoepair.runtime.parallel import launch


def fail(error: BaseException) -> Any:
    raise error


def test_rank_returns_the_result_of_its_function() -> None:
    assert launch._run_rank(lambda: {"epoch": 3}) == (None, {"epoch": 3})
    assert launch._run_rank(lambda: None) == (None, None)


def test_error_of_a_rank_is_its_result_and_no_death() -> None:
    for error in (ShoepairError("a: torn"), ZeroDivisionError("x"), OSError(28, "full")):
        assert launch._run_rank(partial(fail, error)) == (error, None)


def test_rank_that_lost_a_peer_exits_so_that_all_restart() -> None:
    with pytest.raises(SystemExit) as caught:
        launch._run_rank(partial(fail, PeerLostError("rank 0 of 2: another rank is gone")))
    assert caught.value.code == 1


def test_rank_that_ends_for_the_error_of_another_has_no_outcome() -> None:
    assert launch._run_rank(partial(fail, SystemExit(1))) == (None, None)


def test_first_rank_has_the_result_unless_any_has_failed() -> None:
    assert launch._first_result([(None, "first"), (None, "second")]) == "first"
    error = ShoepairError("a: torn")
    with pytest.raises(ShoepairError) as caught:
        launch._first_result([(None, "first"), (error, None), (ValueError("later"), None)])
    assert caught.value is error


def test_outcome_store_keeps_the_first_ranks_result_and_every_error() -> None:
    outcome_store = launch._OutcomeStore()
    outcome_store.add(1, (None, "of the second"))
    assert outcome_store.all() == []
    outcome_store.add(0, (None, "of the first"))
    outcome_store.add(2, ("torn", None))
    assert outcome_store.all() == [(None, "of the first"), ("torn", None)]


def cluster(*nodes: dict[str, float]) -> SimpleNamespace:
    """Return a fake of the module `ray` with these nodes and a dead one."""
    alive: list[dict[str, object]] = [{"Alive": True, "Resources": node} for node in nodes]
    return SimpleNamespace(nodes=lambda: [*alive, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}])


def test_ranks_take_what_the_living_nodes_have_room_for() -> None:
    ray = cluster({"CPU": 4.0, "GPU": 1.0}, {"CPU": 5.0, "GPU": 1.0})
    assert launch._rank_resources(ray, 4, 2, use_gpu=False) == {"CPU": 2}
    assert launch._rank_resources(ray, 2, 2, use_gpu=True) == {"CPU": 2, "GPU": 1}


@pytest.mark.parametrize(
    ("ranks", "gpus", "room"), [(5, False, "4 ranks of 2 CPU"), (3, True, "2 ranks of 2 CPU and 1 GPU")]
)
def test_more_ranks_than_there_is_room_for_are_refused(ranks: int, gpus: bool, room: str) -> None:
    ray = cluster({"CPU": 4.0, "GPU": 1.0}, {"CPU": 5.0, "GPU": 1.0})
    text = (
        rf"^SHOEPAIR_RANKS={ranks}: the cluster has room for {room} each\nset SHOEPAIR_RANKS to fewer, or start more"
    )
    with pytest.raises(ShoepairError, match=text):
        launch._rank_resources(ray, ranks, 2, use_gpu=gpus)


def test_rank_on_a_cluster_gets_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(
        "psutil.net_if_addrs",
        lambda: {"lo": [SimpleNamespace(address="127.0.0.1")], "eth7": [SimpleNamespace(address="10.0.0.7")]},
    )
    node: tuple[str, dict[str, object]] = ("10.0.0.7", {"RANK": 1, "MASTER_PORT": 4711})
    assert launch._run_ray_rank(lambda: dict(os.environ), str(tmp_path), node) == {
        "RANK": "1",
        "MASTER_PORT": "4711",
        "GLOO_SOCKET_IFNAME": "eth7",
        "NCCL_SOCKET_IFNAME": "eth7",
    }


def test_rank_in_a_copy_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(ShoepairError, match=rf"^{tmp_path}: a copy, expected the folder of the machine .*\nput the"):
        launch._run_ray_rank(list, str(tmp_path / "mark"), ("10.0.0.7", {"RANK": 1}))
    assert os.environ == {}
