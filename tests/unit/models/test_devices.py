"""Device selection on machines with and without accelerators."""

from __future__ import annotations

import pytest
import torch

from shoepair.models import devices, distributed
from shoepair.runtime.errors import ShoepairError


def fake_machine(
    monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False, ranks: int = 1, local: int = 0
) -> list[int]:
    """Fake a machine with these accelerators and this rank; return the CUDA devices it will set."""
    devices_set: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "set_device", devices_set.append)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(distributed, "get_world_size", lambda: ranks)
    monkeypatch.setattr(distributed, "get_local_rank", lambda: local)
    return devices_set


@pytest.mark.parametrize(
    ("cuda", "mps", "ranks", "expected"),
    [(0, False, 1, "cpu"), (0, True, 1, "mps"), (1, True, 1, "cuda"), (0, True, 2, "cpu"), (2, True, 2, "cuda")],
)
def test_auto_takes_the_best_available_device(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, ranks: int, expected: str
) -> None:
    fake_machine(monkeypatch, cuda=cuda, mps=mps, ranks=ranks)
    assert devices.select_device("auto") == torch.device(expected)
    assert devices.select_device("cpu") == torch.device("cpu")


def test_each_rank_takes_an_accelerator_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    devices_set = fake_machine(monkeypatch, cuda=4, ranks=3, local=2)
    assert devices.select_device("cuda") == torch.device("cuda")
    assert devices_set == [2]
    devices_set = fake_machine(monkeypatch, cuda=4)
    devices.select_device("cuda")
    assert devices_set == [], "one process alone leaves that to torch"


def test_more_ranks_than_accelerators_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_machine(monkeypatch, cuda=2, ranks=3, local=2)
    text = "^train.device: auto, found 2 accelerators on this machine for more ranks\nstart as many ranks on a machine"
    with pytest.raises(ShoepairError, match=text):
        devices.select_device("auto")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_missing_accelerator_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fake_machine(monkeypatch)
    text = rf"^train.device: {name}, which this machine \(or this .*\) does not have\nset `train.device: auto`$"
    with pytest.raises(ShoepairError, match=text):
        devices.select_device(name)


def test_one_process_agrees_with_itself() -> None:
    device = torch.device("cuda", 3)
    assert devices.require_same_device_type(device) is device
